"""``jobspan doctor``: whether this environment's telemetry is recorded and arrives, step by step."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from jobspan.brokers.address import read_url
from jobspan.cli.documents.documents import document
from jobspan.cli.environment import opened
from jobspan.cli.options import ReadOptions, reading, reading_options
from jobspan.cli.screens.runs_screen import say_next
from jobspan.cli.terminal.screen import CAUTION, FAILED, FINE, STRONG, Line, Piece, Screen, piece
from jobspan.cli.terminal.units import counted
from jobspan.errors import BackendError, UsageError
from jobspan.health.findings import Finding, Grade, grade_of
from jobspan.jobs import Framework
from jobspan.reading_settings import load_reading

_STYLES = {Grade.HEALTHY: FINE, Grade.WARNING: CAUTION, Grade.CRITICAL: FAILED}
_INDENT = " " * 10


@click.command("doctor")
@click.option("--broker", metavar="URL", help="redis://… or amqp://…  [env: JOBSPAN_BROKER]")
@click.option("--management", metavar="URL", help="RabbitMQ's management API.  [env: JOBSPAN_MANAGEMENT]")
@click.option("--canary", is_flag=True, help="Put one job that does nothing, and look for its span.")
@click.option(
    "--framework",
    type=click.Choice([framework.value for framework in Framework]),
    default=next(iter(Framework)).value,
    show_default=True,
    help="Whose workers run the canary.",
)
@click.option("--queue", default="", metavar="NAME", help="The canary's; by default one that only they take from.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=30.0, show_default=True, help="Seconds for the canary's span."
)
@reading_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Whether telemetry is recorded and arrives, step by step, and what to do where it does not.

    Type it in the environment of your workers: it sees the variables and packages of its own process.
    The canary is put only where every worker that could take it knows it, which
    OTEL_PYTHON_JOBSPAN_CANARY=true in their environment brings about.

    Exit codes: 0 healthy, 1 warning, 2 critical or wrong use.
    """
    how = reading(context, options)
    findings = list(_steps(how, options))
    if how.as_json:
        click.echo(document({"health": grade_of(findings).name.lower(), "steps": list(map(_step, findings))}))
        return grade_of(findings)
    screen = Screen(again=how.place.again)
    screen.line(*_verdict(findings))
    for finding in findings:
        screen.lines(_lines(finding))
    if not options["canary"] and grade_of(findings) < Grade.CRITICAL:
        say_next(screen, ["jobspan doctor --canary (one job through it all)"])
    return grade_of(findings)


def _steps(how: ReadOptions, options: dict[str, Any]) -> Iterator[Finding]:
    from jobspan.health.doctor import environment, instrumentations, machine, reach, unknown

    environ = how.environment.environ
    url = options["broker"] or load_reading(environ).broker
    if options["canary"] and not url:
        raise UsageError("--canary needs a broker; give --broker redis://host:6379/0 or set JOBSPAN_BROKER")
    yield from instrumentations.versions()
    yield from instrumentations.instrumentations(environ)
    yield from environment.variables(environ)
    yield from environment.exporters(environ)
    yield environment.gevent(environ)
    yield from machine.machine(environ)
    found: list[Finding] = []
    if url:
        reader = how.environment.open_broker(url, (), (), options["management"] or load_reading(environ).management)
        try:
            found = list(reach.broker(reader))
        finally:
            reader.close()
        yield from found
    else:
        yield unknown("broker", "none is named", "name one with --broker or JOBSPAN_BROKER")
    yield from reach.collector(environ)
    yield from _kept(how, options, url, answers=grade_of(found) < Grade.CRITICAL)


def _kept(how: ReadOptions, options: dict[str, Any], url: str, *, answers: bool) -> Iterator[Finding]:
    """Yield whether the backend can be read, and whether the canary arrives in it."""
    from jobspan.health.doctor import reach, unknown
    from jobspan.health.doctor.canary import KIND, Canary, run_canary

    if not (how.place.store or how.place.url or how.environment.has_default_store()):
        yield reach.backend_not_named()
        if options["canary"]:
            raise UsageError("--canary needs the backend in which its span is to be found: --backend or --store")
        return
    try:
        with opened(how.environment, how.place) as backend:
            yield reach.backend(backend, how.place.program)
            if options["canary"] and not answers:
                yield unknown(KIND, "not put: the broker does not answer", "see the step of the broker")
            elif options["canary"]:
                canary = Canary(Framework(options["framework"]), options["queue"], options["timeout"])
                yield from run_canary(canary, read_url(url), backend, _progress)
    except BackendError as error:
        yield reach.backend_unreadable(error)


def _progress(words: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"canary: {words} …", err=True)


def _verdict(findings: list[Finding]) -> Line:
    grade = grade_of(findings)
    counts = {
        "not known": sum(not finding.is_known for finding in findings),
        "critical": sum(finding.grade == Grade.CRITICAL for finding in findings),
        "warning": sum(finding.grade == Grade.WARNING for finding in findings),
    }
    parts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    words = f"{counted(len(findings), 'step')}{': ' + parts if parts else ''}."
    return [Piece(f"{grade.name.lower():<10}", STRONG if grade == Grade.HEALTHY else _STYLES[grade]), piece(words)]


def _lines(finding: Finding) -> list[Line]:
    lines: list[Line] = [
        [Piece(f"{_grade(finding):<10}", _STYLES[finding.grade]), piece(f"{finding.kind}: {finding.seen}")]
    ]
    if finding.remedy:
        lines.append([Piece(_INDENT), piece(f"→ {finding.remedy}", FINE)])
    return lines


def _grade(finding: Finding) -> str:
    if not finding.is_known:
        return "not known"
    return "ok" if finding.grade == Grade.HEALTHY else finding.grade.name.lower()


def _step(finding: Finding) -> dict[str, Any]:
    grade = finding.grade.name.lower() if finding.is_known else None
    return {"grade": grade, "kind": finding.kind, "seen": finding.seen, "remedy": finding.remedy or None}
