"""Commands of a store, with what became of their jobs: each job counts once, however often it was put and ran."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from backends.kept_store import Kept
from backends.otlp_requests import ERROR, NOON, SECOND, log_event, logs, run_attributes, span_message, traces
from jobspan import conventions as c
from jobspan.backends.base import CommandSeen, RunFilter
from jobspan.backends.json_codec import command_from_json, command_to_json

ID, OTHER = "7f3a" + "0" * 12, "8f3b" + "0" * 12
WHOSE = {c.JOBSPAN_COMMAND_ID: ID, c.JOBSPAN_COMMAND_NAME: "import"}


def _run(at_s: int, job_id: str, **attributes: Any) -> SpanMessage:
    at_ns = NOON + at_s * SECOND
    said = run_attributes(job_id=job_id, **attributes) | WHOSE
    status = {"status": ERROR} if attributes.get("outcome") == "failed" else {}
    return span_message(said, start_time_unix_nano=at_ns, end_time_unix_nano=at_ns + SECOND, **status)


def _publish(job_id: str, kind: str = "PRODUCER", **more: Any) -> SpanMessage:
    said = run_attributes(job_id=job_id, operation="publish", outcome=None, final=None) | WHOSE | more
    number = getattr(SpanMessage.SpanKind, f"SPAN_KIND_{kind}")
    return span_message(said, kind=number, start_time_unix_nano=NOON, end_time_unix_nano=NOON + 1)


def _work(kept: Kept) -> None:
    """Two jobs by themselves, three in a batch; one retried, one failed, one running."""
    size: dict[str, Any] = {c.MESSAGING_BATCH_MESSAGE_COUNT: 3}
    again: dict[str, Any] = {c.JOBSPAN_JOB_ATTEMPT: 2}
    open_run = _run(5, "d", outcome=None, final=None)
    said = run_attributes(job_id="d", outcome=None, final=None) | WHOSE
    kept.keep(
        traces(
            *(_publish(job_id) for job_id in "ab"),
            _publish("a", **again),
            _publish("x", **{c.ERROR_TYPE: "OSError"}),
            _publish("", **size),
            _publish("", kind="INTERNAL", **size),
            _run(1, "a", outcome="retried", final=False),
            _run(2, "a"),
            _run(3, "b", outcome="failed"),
            span_message(run_attributes() | {c.JOBSPAN_COMMAND_ID: OTHER, c.JOBSPAN_COMMAND_NAME: "sync"}),
        ),
        logs(log_event(c.EVENT_JOB_STARTED, open_run, said, NOON + SECOND)),
    )


def test_a_running_command_is_counted_by_what_is_seen_of_it(kept: Kept) -> None:
    _work(kept)
    (seen,) = kept.reader.commands(RunFilter(commands=("imp*",)))
    assert seen == CommandSeen(
        id=ID,
        name="import",
        start_ns=NOON,
        last_ns=NOON + 4 * SECOND,
        command=None,
        put=5,
        not_put=1,
        done=2,
        failed=1,
        running=1,
        retries=1,
        tells_running=True,
    )
    assert command_from_json(command_to_json(seen)) == seen


def test_a_command_that_has_ended_says_how(kept: Kept) -> None:
    _work(kept)
    said = WHOSE | {c.PROCESS_EXIT_CODE: 3, c.JOBSPAN_COMMAND_JOBS_PUBLISHED: 7, c.JOBSPAN_COMMAND_OUTCOME: "failed"}
    own = span_message(said, span_id=bytes.fromhex(ID), start_time_unix_nano=NOON, end_time_unix_nano=NOON + SECOND)
    kept.keep(traces(own))
    (seen,) = kept.reader.commands(RunFilter(commands=("7f3a",)))
    assert seen.command is not None
    assert (seen.put, seen.command.exit_code, seen.command.outcome) == (7, 3, "failed")
    assert command_from_json(command_to_json(seen)) == seen


def test_commands_are_listed_newest_first_within_their_time(kept: Kept) -> None:
    _work(kept)
    newest, oldest = kept.reader.commands(RunFilter())
    assert newest.start_ns >= oldest.start_ns
    assert [seen.id for seen in kept.reader.commands(RunFilter(limit=1))] == [newest.id]
    assert kept.reader.commands(RunFilter(since_ns=NOON + 3600 * SECOND)) == []
    assert kept.reader.commands(RunFilter(commands=("none",))) == []
