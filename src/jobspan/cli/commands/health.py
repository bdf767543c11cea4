"""``jobspan health``: whether the queues are as they should be, and what to do where they are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from jobspan.cli.broker_options import (
    Decorated,
    QueueSelection,
    broker_options,
    opened_broker,
    show_repeatedly,
    watch_options,
)
from jobspan.cli.environment import Environment, opened
from jobspan.cli.options import ReadOptions, reading, reading_options
from jobspan.cli.screens.broker_screen import health_lines, say_notes
from jobspan.cli.terminal.screen import FINE, Screen, piece
from jobspan.health.check import AskRuns, Health, check
from jobspan.health.findings import RunFacts, grade_of
from jobspan.health.limits import LimitRules
from jobspan.health.telemetry import facts
from jobspan.jobs import Broker
from jobspan.reading_settings import load_reading

_WINDOW = "1h"
_LIMITS_HELP = "From when on: waiting=5000; billing: oldest=1m, p95=30s.  [env: JOBSPAN_LIMITS]"


def limit_option(command: Decorated) -> Decorated:
    """Add from when on a queue is not healthy."""
    return click.option("--limit", "limits", multiple=True, metavar="RULE", help=_LIMITS_HELP)(command)


@click.command("health")
@broker_options
@limit_option
@click.option("--since", metavar="TIME", default=_WINDOW, show_default=True, help="Window for failures and run times.")
@watch_options
@reading_options
@click.pass_context
def command(context: click.Context, /, watch: bool, every: float, **options: Any) -> int:
    """Whether queues, workers and telemetry are as they should be, and what to do where they are not.

    \b
    Per queue, by default: more than 1000 jobs ready, more than 100 failed in the window, the next
    one waiting for over 10 minutes, jobs ready and no worker. Five times a limit is critical.

    Exit codes: 0 healthy, 1 warning, 2 critical, wrong use or broker unreachable.
    """
    how = reading(context, options)
    rules, since = limit_rules(how.environment, options.pop("limits")), options.pop("since")
    ask = asking(how, since, rules)
    with opened_broker(how.environment, options) as (reader, selection):

        def show() -> int:
            return _show(check(reader, rules, ask), reader.broker, selection, how)

        return show_repeatedly(show, watch=watch, every_s=every)


def asking(how: ReadOptions, since: str, rules: LimitRules) -> AskRuns | None:
    """Return the question to the backend that is named, else to the default store; None without either."""
    if not (how.place.store or how.place.url or how.environment.has_default_store()):
        return None

    def ask() -> RunFacts:
        # The window moves on while we watch.
        moment = replace(how.clock, now_ns=how.environment.now_ns()).read(since)
        with opened(how.environment, how.place) as backend:
            return facts(backend, moment.at_ns, moment.words, with_run_times=rules.ask_for_run_times)

    return ask


def limit_rules(environment: Environment, typed: tuple[str, ...]) -> LimitRules:
    """Return the rules of the environment, and after them those that were typed.

    Raises:
        UsageError: a rule that cannot be read.
    """
    return LimitRules([load_reading(environment.environ).limits, *typed])


def _show(health: Health, broker: Broker, selection: QueueSelection, how: ReadOptions) -> int:
    findings = [finding for finding in health.findings if finding.queue is None or selection.includes(finding.queue)]
    if how.as_json:
        from jobspan.cli.documents.broker_documents import health_document

        click.echo(health_document(health, broker, findings))
        return grade_of(findings)
    screen = Screen(again=how.place.again)
    screen.lines(health_lines(health, broker, findings))
    if health.state:
        say_notes(screen, health.state)
    if health.facts is None and not any(finding.kind == "backend" for finding in findings):
        screen.line(piece("? Failures and run times: no backend is named and there is no store.", FINE))
    return grade_of(findings)
