"""Commands at the root of real jobs: Celery's own, any program's, a job's, a killed one; and a server that is none."""

from __future__ import annotations

import re
import signal
import urllib.request
from collections.abc import Sequence
from typing import Any

import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_command, is_publish, is_run
from support.deaths import once
from support.ports import free_port
from support.processes import Program
from support.stage import Stage
from support.waiting import wait_until
from support.workers import TESTS, script

pytestmark = pytest.mark.every_python

APPS = TESTS / "apps"


def named(spans: Sequence[Span], name: str) -> Span:
    """The one span of a name."""
    (found,) = (span for span in spans if span.name == name)
    return found


def whose(span: Span) -> tuple[Any, Any]:
    """The command that a span says it belongs to."""
    return span.attributes.get(c.JOBSPAN_COMMAND_ID), span.attributes.get(c.JOBSPAN_COMMAND_NAME)


def put_elsewhere(stage: Stage, *args: str) -> int:
    """Run the program that puts jobs in other processes; gRPC makes an export again in whose midst a fork comes."""
    return stage.run("python", str(APPS / "puts_elsewhere.py"), *args, expect=("Closed on fork",))


def test_celerys_own_call_is_the_root_of_its_job(stage: Stage) -> None:
    stage.celery()
    assert stage.run(script("celery"), "-A", "apps.celery_app", "call", "apps.celery_app.ok") == 0
    stage.wait_until_ended(1)
    spans = stage.collector.wait_for_spans(3)
    command, publish, run = named(spans, "celery call"), *(s for s in spans if is_publish(s) or is_run(s))
    assert (command.parent_id, publish.parent_id, run.parent_id) == (None, command.span_id, publish.span_id)
    assert {whose(span) for span in spans} == {(command.span_id, "celery call")}


def test_any_program_is_the_root_of_the_jobs_that_programs_inside_it_put(stage: Stage) -> None:
    stage.celery()
    line = f"opentelemetry-instrument python {APPS / 'command.py'} put celery:ok; exit 3"
    args = [script("jobspan"), "run", "--name", "nightly", "--", "sh", "-c", line]
    with Program(args, env=stage.around.environment("crontab"), folder=stage.folder, name="crontab") as program:
        assert program.wait() == 3
    stage.wait_until_ended(1)
    spans = stage.collector.wait_for_spans(4)
    nightly, inner = named(spans, "nightly"), named(spans, "command.py put")
    assert (nightly.attributes[c.PROCESS_EXIT_CODE], inner.attributes[c.PROCESS_EXIT_CODE]) == (3, 0)
    assert (nightly.parent_id, inner.parent_id) == (None, nightly.span_id)
    assert {whose(span) for span in spans} == {(nightly.span_id, "nightly")}
    assert [span.name for span in spans if is_command(span)] == ["nightly"]


def test_a_command_that_a_job_starts_is_a_part_of_what_the_job_was_put_by(stage: Stage) -> None:
    stage.celery(app="apps.starts_command")
    assert stage.run("python", str(APPS / "starts_command.py"), "put") == 0
    stage.wait_until_ended(1)
    spans = stage.collector.wait_for_spans(6)
    root, inner = named(spans, "starts_command.py"), named(spans, "command.py put")
    assert inner.parent_id == next(s.span_id for s in spans if s.name.endswith("run_command") and is_run(s))
    assert {whose(span) for span in spans} == {(root.span_id, "starts_command.py")}
    outer, nested = (span for span in spans if is_publish(span))
    assert nested.attributes[c.JOBSPAN_JOB_PARENT_ID] == outer.attributes[c.MESSAGING_MESSAGE_ID]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_job_that_another_process_of_a_command_puts_is_the_commands(stage: Stage, method: str) -> None:
    stage.celery()
    assert put_elsewhere(stage, method) == 0
    stage.wait_until_ended(1)
    spans = stage.collector.wait_for_spans(3)
    command, publish = named(spans, "puts_elsewhere.py"), next(span for span in spans if is_publish(span))
    assert publish.parent_id == command.span_id
    assert {whose(span) for span in spans} == {(command.span_id, "puts_elsewhere.py")}
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 1


def test_a_job_that_a_program_puts_after_a_command_inside_it_is_the_programs(stage: Stage) -> None:
    stage.celery()
    assert put_elsewhere(stage, "after", "itself") == 0
    stage.wait_until_ended(2)
    spans = stage.collector.wait_for_spans(6)
    inner, program = named(spans, "tool"), named(spans, "puts_elsewhere.py")
    publishes = sorted(filter(is_publish, spans), key=lambda span: span.start_ns)
    assert [publish.parent_id for publish in publishes] == [inner.span_id, program.span_id]
    assert [whose(publish) for publish in publishes] == [
        (inner.span_id, "tool"),
        (program.span_id, "puts_elsewhere.py"),
    ]
    assert [span.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] for span in (inner, program)] == [1, 1]
    assert program.attributes[c.PROCESS_EXIT_CODE] == 0


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver", "program"])
def test_what_a_program_starts_after_a_command_inside_it_is_the_programs(stage: Stage, way: str) -> None:
    assert put_elsewhere(stage, "after", way) == 0
    spans = stage.collector.wait_for_spans(4 if way != "program" else 5)
    inner, program = named(spans, "tool"), named(spans, "puts_elsewhere.py")
    first, second = sorted(filter(is_publish, spans), key=lambda span: span.start_ns)
    starter = named(spans, "command.py put") if way == "program" else second
    assert [first.parent_id, starter.parent_id, inner.parent_id] == [inner.span_id, program.span_id, None]
    assert [whose(first), whose(second)] == [(inner.span_id, "tool"), (program.span_id, "puts_elsewhere.py")]


def test_a_command_inside_a_process_of_a_command_is_told_whatever_ends_it(stage: Stage) -> None:
    stage.export(batch_delay_ms=None)
    assert put_elsewhere(stage, "parts") == 0
    spans = stage.collector.wait_for_spans(1 + 4 + 4)
    command, parts = named(spans, "puts_elsewhere.py"), [span for span in spans if span.name == "part"]
    assert {span.parent_id for span in parts} == {command.span_id}
    assert {span.parent_id for span in spans if is_publish(span)} == {span.span_id for span in parts}
    counted = [span.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] for span in (command, *parts)]
    assert counted == [4, 1, 1, 1, 1]


def test_a_collector_that_takes_its_time_is_waited_for_by_each_process(stage: Stage) -> None:
    stage.collector.delay_s = 1
    assert put_elsewhere(stage, "thrice", "fork") == 0
    command = named(stage.collector.wait_for_spans(4), "puts_elsewhere.py")
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 3
    assert not list((stage.folder / "flight").iterdir())


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver", "program"])
def test_a_command_waits_once_for_a_collector_that_is_down_however_many_processes_put_for_it(
    stage: Stage, way: str
) -> None:
    for name in ("up", "down"):
        assert stage.run("python", str(APPS / "puts_elsewhere.py"), "thrice", way, name=name, expect=(".",)) == 0
        stage.collector.kill()
    # A fork says nothing as it leaves; its command, the last to leave, knows of its wait.
    waits = re.findall(r"could not be sent within (\S+) s", (stage.folder / "down.log").read_text())
    assert (waits.count("2") <= 1, waits[-1]) == (True, "0.1")
    # Nothing is lost by that: it is told by the next.
    stage.collector.restart()
    assert put_elsewhere(stage, "itself") == 0
    spans = stage.collector.wait_for_spans((4 if way != "program" else 7) * 2 + 2)
    assert len({span.span_id for span in spans if is_publish(span)}) == 3 + 3 + 1


@pytest.mark.parametrize(
    ("way", "jobs"),
    [
        *(("fork pool", 4), ("spawn pool", 4), ("forkserver pool", 4)),
        *(("killed fork", 1), ("killed spawn", 1), ("killed forkserver", 1), ("raw fork", 1)),
        ("nested", 2),
    ],
)
def test_what_a_process_of_a_command_put_is_told_whatever_ends_it(stage: Stage, way: str, jobs: int) -> None:
    # Nothing is sent before.
    stage.export(batch_delay_ms=None)
    assert put_elsewhere(stage, way) == 0
    # One that is ended as it sends may not hear that it has.
    spans = once(stage.collector.wait_for_spans(1 + jobs))
    command, publishes = named(spans, "puts_elsewhere.py"), [span for span in spans if is_publish(span)]
    assert [(span.parent_id, span.status) for span in publishes] == [(command.span_id, "unset")] * jobs
    assert {whose(span) for span in spans} == {(command.span_id, "puts_elsewhere.py")}
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == jobs
    assert not list((stage.folder / "flight").iterdir())


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_what_a_program_starts_before_a_command_inside_it_is_the_commands(stage: Stage, way: str) -> None:
    assert put_elsewhere(stage, "before", way) == 0
    spans = stage.collector.wait_for_spans(3)
    command = named(spans, "tool")
    assert {span.parent_id for span in spans if is_publish(span)} == {command.span_id}
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 2
    assert {span.attributes[c.JOBSPAN_COMMAND_ID] for span in spans} == {command.span_id}


def test_a_killed_command_is_told_by_the_next_and_is_the_parent_of_its_jobs(stage: Stage) -> None:
    stage.celery()
    assert stage.run("python", str(APPS / "starts_command.py"), "die") == -signal.SIGKILL
    stage.wait_until_ended(1)
    assert stage.put() == 0
    spans = stage.collector.wait_for_spans(4)
    killed = named(spans, "starts_command.py")
    publish = next(span for span in spans if is_publish(span))
    assert killed.attributes[c.JOBSPAN_COMMAND_OUTCOME] == "lost"
    assert c.PROCESS_EXIT_CODE not in killed.attributes
    assert (publish.parent_id, whose(publish)) == (killed.span_id, whose(killed))
    assert killed.end_ns >= publish.start_ns


def test_a_script_that_is_a_server_is_no_command_and_takes_no_callers_place(stage: Stage) -> None:
    port = free_port()
    server = stage.program("python", str(APPS / "asgi_app.py"), str(port), name="server")
    server.wait_for_log("Uvicorn running")
    trace_id, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    for headers in ({"traceparent": f"00-{trace_id}-{caller}-01"}, {}):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers=headers)
        assert urllib.request.urlopen(request, timeout=10).read() == b"put"  # noqa: S310 - loopback
    wait_until(lambda: len([s for s in stage.collector.spans if is_publish(s)]) == 3, deadline_s=10, what="publishes")
    server.stop()
    spans = stage.collector.spans
    called, by_itself = (span for span in spans if span.kind == "server")
    assert (called.trace_id, called.parent_id, by_itself.parent_id) == (trace_id, caller, None)
    _, first, second = (span for span in spans if is_publish(span))
    assert (first.parent_id, second.parent_id) == (called.span_id, by_itself.span_id)
    assert (whose(first), whose(second)) == ((None, None), (None, None))
    assert [span.name for span in spans if span.kind == "internal" and c.JOBSPAN_COMMAND_ID in span.attributes] == []
