"""Plain scripts and modules as real programs: whichever way they end, there is one span with the true end."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from jobspan import conventions as c
from jobspan.instrumentors.commands.script import program_name
from jobspan.runs import Span
from support.otlp import Collector
from support.workers import TESTS, Instrumented, Surroundings, Telemetry

SCRIPT = str(TESTS / "apps" / "ways_out.py")

Start = Callable[..., Instrumented]


@pytest.fixture
def start(collector: Collector, tmp_path: Path) -> Iterator[Start]:
    """Start a program under ``opentelemetry-instrument``."""
    around = Surroundings("", tmp_path / "diary", tmp_path, Telemetry(collector.grpc_endpoint))
    with ExitStack() as programs:

        def started(*args: str, number: int = 0, **extra: str) -> Instrumented:
            environ = Surroundings(**{**_fields(around), "extra": extra})
            program = Instrumented(args, environ, name=f"program-{number}", expect=("ValueError", "KeyboardInterrupt"))
            return programs.enter_context(program)

        yield started


def _fields(around: Surroundings) -> dict[str, Any]:
    return {name: getattr(around, name) for name in ("broker_url", "diary_path", "folder", "telemetry")}


def end_of(span: Span) -> tuple[Any, ...]:
    """What a span says of how its command ended."""
    names = (c.PROCESS_EXIT_CODE, c.ERROR_TYPE, c.JOBSPAN_COMMAND_OUTCOME, c.JOBSPAN_COMMAND_EXIT_SIGNAL)
    return (span.name, *(span.attributes.get(name) for name in names))


def test_each_way_out_of_a_program_is_recorded_as_it_was(collector: Collector, start: Start) -> None:
    script, module = "ways_out.py", "python -m apps.ways_out"
    ways = {
        (SCRIPT, "last line"): (0, (script, 0, None, "succeeded", None)),
        (SCRIPT, "sys.exit(3)"): (3, (script, 3, "3", "failed", None)),
        (SCRIPT, "sys.exit('no')"): (1, (script, 1, "1", "failed", None)),
        (SCRIPT, "fail to become another"): (0, (script, 0, None, "succeeded", None)),
        (SCRIPT, "start and command"): (0, ("tool", 0, None, "succeeded", None)),
        (SCRIPT, "exit(3)"): (3, (script, 3, "3", "failed", None)),
        (SCRIPT, "fail with a code"): (1, (script, 1, "ValueError", "failed", None)),
        (SCRIPT, "show another"): (3, (script, 3, "3", "failed", None)),
        (SCRIPT, "fail"): (1, (script, 1, "ValueError", "failed", None)),
        (SCRIPT, "interrupt"): (-signal.SIGINT, (script, None, "KeyboardInterrupt", "interrupted", "SIGINT")),
        (SCRIPT, "SIGTERM"): (-signal.SIGTERM, (script, None, "SIGTERM", "interrupted", "SIGTERM")),
        (SCRIPT, "SIGHUP"): (-signal.SIGHUP, (script, None, "SIGHUP", "interrupted", "SIGHUP")),
        # What a SystemExit that was raised by hand holds is not known: nothing is made up.
        (SCRIPT, "raise"): (3, (script, None, None, None, None)),
        (SCRIPT, "parse", "u", "add", "x"): (0, (f"{script} parse users add", 0, None, "succeeded", None)),
        ("-m", "apps.ways_out", "raise"): (3, (module, 3, "3", "failed", None)),
        ("-m", "apps.ways_out", "last line"): (0, (module, 0, None, "succeeded", None)),
        ("-m", "apps.ways_out", "fail"): (1, (module, 1, "ValueError", "failed", None)),
    }
    # A program started to outlive its terminal hands that on.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    programs = [start("python", *args, number=number) for number, args in enumerate(ways)]
    signal.signal(signal.SIGHUP, before)
    assert [program.wait() for program in programs] == [code for code, _ in ways.values()]
    collector.wait_for_spans(len(ways))
    assert sorted(map(end_of, collector.spans), key=repr) == sorted((said for _, said in ways.values()), key=repr)
    assert {(span.kind, span.parent_id) for span in collector.spans} == {("internal", None)}


@pytest.mark.parametrize(("way", "code"), [("SIGKILL", -signal.SIGKILL), ("os._exit(3)", 3)])
def test_a_program_that_was_killed_is_reported_by_the_next(
    collector: Collector, start: Start, way: str, code: int
) -> None:
    assert start("python", SCRIPT, way).wait() == code
    assert start("python", SCRIPT, "last line", number=1).wait() == 0
    lost, _ = collector.wait_for_spans(2)
    assert end_of(lost) == ("ways_out.py", None, "command_lost", "lost", None)
    assert c.JOBSPAN_COMMAND_JOBS_PUBLISHED not in lost.attributes


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 keeps the frame")
def test_the_traceback_that_ends_a_module_shows_no_frame_of_ours(start: Start) -> None:
    program = start("python", "-m", "apps.ways_out", "fail")
    assert program.wait() == 1
    assert "ways_out.py" in program.log
    assert "jobspan/instrumentors" not in program.log


def test_a_program_that_becomes_another_is_no_lost_command(collector: Collector, start: Start) -> None:
    assert start("python", SCRIPT, "become another").wait() == 5
    assert start("python", SCRIPT, "last line", number=1).wait() == 0
    (span,) = collector.wait_for_spans(1)
    assert end_of(span) == ("ways_out.py", 0, None, "succeeded", None)


def test_a_program_that_a_command_starts_is_its_child(collector: Collector, start: Start) -> None:
    assert start("python", SCRIPT, "start another").wait() == 0
    outer, *inner = collector.wait_for_spans(3)
    assert {span.parent_id for span in inner} == {outer.span_id}
    assert {span.attributes[c.JOBSPAN_COMMAND_ID] for span in (outer, *inner)} == {outer.span_id}
    assert [span.attributes[c.PROCESS_EXIT_CODE] for span in (outer, *inner)] == [0, 3, 3]


def test_a_traceparent_in_the_environment_is_the_parent(collector: Collector, start: Start) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    assert start("python", SCRIPT, "last line", TRACEPARENT=f"00-{trace_id}-{span_id}-01").wait() == 0
    (span,) = collector.wait_for_spans(1)
    assert (span.trace_id, span.parent_id) == (trace_id, span_id)


def test_arguments_are_recorded_when_asked_for_and_without_secrets(collector: Collector, start: Start) -> None:
    arguments = ["--password=hidden", "--api-key", "hidden", "-phidden", "redis://me:hidden@host/0", "fine"]
    start("python", SCRIPT, "last line", *arguments, OTEL_PYTHON_JOBSPAN_COMMAND_ARGS="true").wait()
    (span,) = collector.wait_for_spans(1)
    assert span.attributes["process.command_args"] == (
        "ways_out.py",
        "last line",
        "--password=[redacted]",
        "--api-key",
        "[redacted]",
        "-p[redacted]",
        "redis://[redacted]@host/0",
        "fine",
    )


def test_a_collector_that_is_down_delays_the_end_by_two_seconds_at_most(collector: Collector, start: Start) -> None:
    collector.kill()
    program = start("python", SCRIPT, "wait")
    program.expect = (".",)
    program.wait_for_log("waits")
    began_s = time.monotonic()
    program.signal(signal.SIGTERM)
    assert program.wait() == -signal.SIGTERM
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize("again", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_comes_while_it_dies_of_another_changes_nothing(
    collector: Collector, start: Start, again: signal.Signals
) -> None:
    collector.kill()
    program = start("python", SCRIPT, "wait and tell")
    program.expect = (".",)
    program.wait_for_log("waits")
    program.signal(signal.SIGTERM)
    program.wait_for_log("dies")
    program.signal(again)
    assert program.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("argv", "original", "name"),
    [
        (["/srv/import_users.py", "x"], ["python", "/srv/import_users.py", "x"], "import_users.py"),
        (["/venv/bin/mytool"], ["/venv/bin/python", "/venv/bin/mytool"], "mytool"),
        (["-m"], ["python", "-m", "shop.tools", "-c"], "python -m shop.tools"),
        (["-m"], ["python", "-W", "error", "-Imshop.tools"], "python -m shop.tools"),
        (["-m"], ["python", "-Xdev", "-m", "shop"], "python -m shop"),
        (["-c"], ["python", "-c", "pass"], None),
        ([""], ["python"], None),
        (["-"], ["python", "-"], None),
    ],
)
def test_a_program_has_the_name_that_was_typed(argv: list[str], original: list[str], name: str | None) -> None:
    assert program_name(argv, original) == name
