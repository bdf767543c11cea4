"""Which command is the root, what it is the parent of, and when it was none."""

from __future__ import annotations

import os
from typing import Any

import pytest
from opentelemetry.trace import get_current_span

from jobspan import conventions as c
from jobspan.events import CommandFinished, CommandNamed, CommandStarted, DaemonStarted, ProgramReplaced, ProgramStarted
from jobspan.runs import Span
from unit.recording.builders import T0, job, publish_finished, publish_started, run_finished, run_started
from unit.recording.conftest import Recorded

HOUR_NS = 3600 * 1_000_000_000


def script(recorded: Recorded, **facts: Any) -> None:
    """Begin a program that is no caller of anything."""
    recorded.tell(CommandStarted("script", "sync.py", {}, T0, is_current=False, **facts))


def end(recorded: Recorded, key: str = "script") -> None:
    """End a command well."""
    recorded.tell(CommandFinished(key, 0, None, T0 + 9))


def put(recorded: Recorded, at_ns: int = T0) -> dict[str, Any]:
    """Publish a job."""
    carrier: dict[str, Any] = {}
    recorded.tell(publish_started(carrier=carrier, at_ns=at_ns))
    recorded.tell(publish_finished(at_ns=at_ns))
    return carrier


def whose(span: Span) -> tuple[Any, Any]:
    """The command that a span says it belongs to."""
    return span.attributes.get(c.JOBSPAN_COMMAND_ID), span.attributes.get(c.JOBSPAN_COMMAND_NAME)


def test_a_script_is_the_parent_of_publishes_but_never_current(recorded: Recorded) -> None:
    script(recorded)
    assert not get_current_span().get_span_context().is_valid
    put(recorded)
    end(recorded)
    publish, command = recorded.spans
    assert (publish.parent_id, whose(publish)) == (command.span_id, (command.span_id, "sync.py"))
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 1


def test_a_script_that_runs_for_hours_does_not_collect_its_publishes_in_one_trace(recorded: Recorded) -> None:
    script(recorded)
    put(recorded, T0 + HOUR_NS - 1)
    put(recorded, T0 + HOUR_NS)
    put(recorded, T0 + 24 * HOUR_NS)
    end(recorded)
    *publishes, command = recorded.spans
    assert [publish.parent_id for publish in publishes] == [command.span_id, None, None]
    assert len({publish.trace_id for publish in publishes}) == 3
    assert {whose(publish) for publish in publishes} == {(command.span_id, "sync.py")}
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 3


def test_a_command_that_knows_more_replaces_the_script(recorded: Recorded) -> None:
    script(recorded)
    recorded.tell(CommandStarted("click", "sync users", {}, T0, replaces="script"))
    end(recorded, "click")
    end(recorded)
    assert [(span.name, span.parent_id) for span in recorded.spans] == [("sync users", None)]


def test_a_script_that_has_put_a_job_stays_and_is_the_parent(recorded: Recorded) -> None:
    script(recorded)
    put(recorded)
    recorded.tell(CommandStarted("click", "sync users", {}, T0, replaces="script"))
    put(recorded)
    end(recorded, "click")
    end(recorded)
    first, second, click, whole = recorded.spans
    assert (click.parent_id, first.parent_id, second.parent_id) == (whole.span_id, whole.span_id, click.span_id)
    assert {whose(span) for span in recorded.spans} == {(whole.span_id, "sync.py")}
    counts = [span.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] for span in (click, whole)]
    assert counts == [1, 2]


def test_a_command_inside_a_job_belongs_to_the_command_that_caused_the_job(recorded: Recorded) -> None:
    recorded.tell(CommandStarted("outer", "import", {}, T0))
    carrier = put(recorded)
    end(recorded, "outer")
    recorded.tell(run_started(carrier=carrier))
    environ = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    recorded.tell(CommandStarted("inner", "clean up", environ, T0))
    recorded.tell(publish_started(job=job(id="job-2"), carrier={}))
    recorded.tell(publish_finished())
    end(recorded, "inner")
    recorded.tell(run_finished())
    _, outer, publish, inner, run = recorded.spans
    assert (inner.parent_id, publish.parent_id) == (run.span_id, inner.span_id)
    assert whose(inner) == whose(publish) == (outer.span_id, "import")
    assert publish.attributes[c.JOBSPAN_JOB_PARENT_ID] == "job-1"


def test_a_command_inside_a_job_that_nobody_caused_is_the_root(recorded: Recorded) -> None:
    recorded.tell(run_started(carrier={}))
    recorded.tell(CommandStarted("inner", "clean up", {}, T0))
    carrier = put(recorded)
    end(recorded, "inner")
    recorded.tell(run_finished())
    _, inner, _ = recorded.spans
    assert whose(inner) == (inner.span_id, "clean up")
    assert f"c={inner.span_id}" in carrier[c.FIELD]


def test_a_server_that_a_jobs_command_starts_leaves_job_and_command_alone(recorded: Recorded) -> None:
    recorded.tell(run_started(carrier={}))
    recorded.tell(CommandStarted("inner", "clean up", {}, T0, is_process=False))
    recorded.tell(DaemonStarted())
    put(recorded)
    end(recorded, "inner")
    recorded.tell(run_finished())
    publish, inner, run = recorded.spans
    assert (publish.parent_id, inner.parent_id) == (inner.span_id, run.span_id)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_what_a_fork_of_a_script_puts_is_the_scripts(recorded: Recorded) -> None:
    script(recorded)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(put(recorded)[c.FIELD]).encode())
        end(recorded)
        os._exit(len(recorded.spans))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        field = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 1 << 8, "the publish alone: the script is not the child's to end"
    end(recorded)
    (command,) = recorded.spans
    assert f"c={command.span_id}" in field


def test_a_later_name_is_that_of_the_span_and_of_what_follows(recorded: Recorded) -> None:
    recorded.tell(CommandStarted("click", "tool", {}, T0))
    recorded.tell(CommandNamed("click", "tool users add"))
    put(recorded)
    end(recorded, "click")
    publish, command = recorded.spans
    assert command.name == "tool users add"
    assert whose(publish) == whose(command) == (command.span_id, "tool users add")


def test_what_turns_out_to_be_a_daemon_has_no_span_and_is_nobodys_parent(recorded: Recorded) -> None:
    recorded.tell(CommandStarted("click", "tool serve", {}, T0))
    recorded.tell(DaemonStarted())
    put(recorded)
    end(recorded, "click")
    (publish,) = recorded.spans
    assert (publish.parent_id, whose(publish)) == (None, (None, None))


def test_before_another_program_takes_its_place_only_what_has_caused_something_is_told(recorded: Recorded) -> None:
    script(recorded)
    recorded.tell(ProgramReplaced())
    script(recorded)
    put(recorded)
    recorded.tell(ProgramReplaced())
    end(recorded)
    publish, command = recorded.spans
    assert publish.parent_id == command.span_id
    assert not {c.PROCESS_EXIT_CODE, c.JOBSPAN_COMMAND_OUTCOME} & set(command.attributes)


def test_a_program_that_a_command_starts_learns_whose_it_is(recorded: Recorded) -> None:
    carrier: dict[str, str] = {}
    recorded.tell(ProgramStarted(carrier))
    assert carrier == {}
    recorded.tell(CommandStarted("outer", "import", {}, T0))
    recorded.tell(ProgramStarted(carrier))
    assert sorted(carrier) == ["JOBSPAN_CONTEXT", "TRACEPARENT"]
    end(recorded, "outer")
    environ = {"traceparent": carrier["TRACEPARENT"], c.FIELD: carrier["JOBSPAN_CONTEXT"]}
    recorded.tell(CommandStarted("inner", "clean", environ, T0))
    put(recorded)
    end(recorded, "inner")
    outer, publish, inner = recorded.spans
    assert (inner.parent_id, inner.name) == (outer.span_id, "clean")
    assert whose(publish) == whose(inner) == (outer.span_id, "import")
