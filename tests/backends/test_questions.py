"""Runs by filter, counts, ids by prefix and stories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from backends.kept_store import Kept
from backends.otlp_requests import ERROR, NOON, SECOND, run_attributes, span_message, spans_in, traces
from jobspan.backends.base import Counts, Match, RunFilter
from jobspan.backends.trace_search.counting import count
from jobspan.backends.trace_search.filters import admits, is_attempt_of
from jobspan.backends.trace_search.membership import in_order, of_command, of_job

_COMMAND, _OTHER_COMMAND = "7f3a" + "0" * 12, "7f3b" + "0" * 12


def _run(at_s: int, job_id: str | None, **attributes: Any) -> SpanMessage:
    moment = NOON + at_s * SECOND
    status = {"status": ERROR} if attributes.get("outcome") == "failed" else {}
    said = run_attributes(job_id=job_id, **attributes)
    return span_message(said, start_time_unix_nano=moment, end_time_unix_nano=moment + SECOND, **status)


_FILTERED = (
    (RunFilter(), "j6 j5 j4 j3 j2 j1"),
    (RunFilter(limit=2), "j6 j5"),
    (RunFilter(limit=0), ""),
    (RunFilter(since_ns=NOON + 3 * SECOND), "j6 j5 j4 j3"),
    (RunFilter(until_ns=NOON + 3 * SECOND), "j2 j1"),
    (RunFilter(since_ns=NOON + 2 * SECOND, until_ns=NOON + 4 * SECOND), "j3 j2"),
    (RunFilter(jobs=("charge",)), "j6 j3 j1"),
    (RunFilter(jobs=("render_*", "charge")), "j6 j3 j2 j1"),
    (RunFilter(jobs=("c?arge",)), "j6 j3 j1"),
    (RunFilter(jobs=("render%",)), ""),
    (RunFilter(jobs=("render?pdf",)), "j4 j2"),
    (RunFilter(jobs=("render_pdf",)), "j2"),
    (RunFilter(jobs=("CHARGE",)), ""),
    (RunFilter(jobs=("50%[a-z]*",)), "j5"),
    (RunFilter(jobs=("'; DROP TABLE spans; --",)), ""),
    (RunFilter(queues=("pdf",)), "j2"),
    (RunFilter(queues=("p*", "billing")), "j6 j5 j4 j3 j2 j1"),
    (RunFilter(commands=("import-*",)), "j2 j1"),
    (RunFilter(commands=("7f3b",)), "j3"),
    (RunFilter(commands=("7F3",)), "j3 j2 j1"),
    (RunFilter(commands=("import-orders", _OTHER_COMMAND)), "j3 j2 j1"),
    (RunFilter(commands=("00000000000000aa", _OTHER_COMMAND.upper())), "j3"),
    (RunFilter(frameworks=("dramatiq",)), "j3"),
    (RunFilter(outcomes=("failed", "retried")), "j4 j2 j1"),
    (RunFilter(outcomes=("running",)), "j6"),
    (RunFilter(failed=True), "j4 j2"),
    (RunFilter(failed=True, queues=("pdf",)), "j2"),
)


def _keep_six(kept: Kept) -> None:
    kept.keep(
        traces(
            _run(1, "j1", outcome="retried", final=False, command_id=_COMMAND, command_name="import-orders"),
            _run(
                2,
                "j2",
                name="render_pdf",
                outcome="failed",
                queue="pdf",
                command_id=_COMMAND,
                command_name="import-orders",
            ),
            _run(3, "j3", framework="dramatiq", command_id=_OTHER_COMMAND, command_name="sync"),
            _run(4, "j4", name="render-pdf", outcome="failed", command_name="00000000000000aa"),
            _run(5, "j5", name="50%[a-z]_x"),
            _run(6, "j6", outcome=None, final=None),
            span_message({"http.method": "GET"}),
            span_message(run_attributes(operation="publish", outcome=None, final=None)),
        )
    )


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A store of six runs."""
    kept = Kept(tmp_path_factory.mktemp("six") / "kept.duckdb")
    _keep_six(kept)
    yield kept
    kept.store.close()


@pytest.mark.parametrize(("where", "jobs"), _FILTERED)
def test_a_filter_admits_what_it_says_newest_first(six: Kept, where: RunFilter, jobs: str) -> None:
    assert " ".join(str(run.job_id) for run in six.reader.runs(where)) == jobs


@pytest.mark.parametrize(("where", "jobs"), _FILTERED)
def test_what_a_filter_admits_is_the_same_where_no_store_can_be_asked(six: Kept, where: RunFilter, jobs: str) -> None:
    admitted = [run for run in six.reader.runs(RunFilter()) if admits(run, where)]
    assert " ".join(str(run.job_id) for run in admitted[: where.limit]) == jobs
    assert count(run for run in six.reader.runs(RunFilter()) if is_attempt_of(run, where)) == six.reader.counts(where)


def test_counts_set_limit_failed_and_outcomes_aside(kept: Kept) -> None:
    _keep_six(kept)
    expected = Counts(6, 6, 2, 0, {"failed": 2, "retried": 1, "running": 1, "succeeded": 2})
    assert kept.reader.counts(RunFilter()) == expected
    assert kept.reader.counts(RunFilter(limit=1, failed=True, outcomes=("lost",))) == expected
    assert kept.reader.counts(RunFilter(queues=("pdf",))) == Counts(1, 1, 1, 0, {"failed": 1})
    assert kept.reader.counts(RunFilter(queues=("none",))) == Counts(0, 0, 0, 0, {})


def test_jobs_are_counted_once_and_recovered_when_success_follows_a_retry(kept: Kept) -> None:
    retried = {"outcome": "retried", "final": False}
    kept.keep(
        traces(
            _run(1, "recovered", **retried),
            _run(2, "recovered", **retried),
            _run(3, "recovered"),
            _run(1, "gave up", **retried),
            _run(2, "gave up", outcome="failed"),
            _run(1, "again after success"),
            _run(2, "again after success", **retried),
        )
    )
    expected = Counts(7, 3, 1, 1, {"failed": 1, "retried": 4, "succeeded": 2})
    assert kept.reader.counts(RunFilter()) == expected
    assert count(kept.reader.runs(RunFilter())) == expected


def test_runs_without_a_job_id_are_jobs_of_their_own(kept: Kept) -> None:
    kept.keep(traces(_run(1, None), _run(2, None)))
    assert kept.reader.counts(RunFilter()) == Counts(2, 2, 0, 0, {"succeeded": 2})


def test_an_id_is_found_by_its_beginning_whatever_it_names(kept: Kept) -> None:
    span = _run(1, "7f3x", command_id=_COMMAND)
    span.trace_id = bytes.fromhex("7f3c" + "0" * 28)
    other = _run(1, "8", command_id=_OTHER_COMMAND)
    other.trace_id = bytes.fromhex("f" * 32)
    kept.keep(traces(span, other))
    command, job, trace = Match("command", _COMMAND), Match("job", "7f3x"), Match("trace", "7f3c" + "0" * 28)
    assert kept.reader.find("7f3") == [command, Match("command", _OTHER_COMMAND), job, trace]
    assert kept.reader.find("7F3A") == [command]
    assert kept.reader.find(job.id) == [job]
    assert kept.reader.find(trace.id) == [trace]
    assert kept.reader.find("f" * 31) == [Match("trace", "f" * 32)]
    assert kept.reader.find("f" * 33) == []
    assert kept.reader.find("%") == []


def test_at_most_twenty_ids_are_found(kept: Kept) -> None:
    kept.keep(traces(*(_run(1, f"job-{number}") for number in range(30))))
    assert len(kept.reader.find("job-")) == 20


def test_the_id_of_somebody_elses_message_is_no_job(kept: Kept) -> None:
    kept.keep(traces(span_message({"messaging.message.id": "kafka-1"})))
    assert kept.reader.find("kafka") == []


@pytest.mark.parametrize(
    "job_id", ["7", "7f", "deadbeef-1", "DEADBEEF-1", "dead_beef", "0000000012", "é日本", "order-7", "0x7f"]
)
def test_an_id_is_found_by_each_of_its_beginnings_whatever_it_is_made_of(kept: Kept, job_id: str) -> None:
    kept.keep(traces(_run(1, job_id), _run(2, "zz"), _run(3, "7e000000"), _run(4, "beef")))
    for length in range(1, len(job_id) + 1):
        assert Match("job", job_id) in kept.reader.find(job_id[:length]), job_id[:length]
    assert len(kept.reader.story(Match("job", job_id))) == 1


def _child(of: SpanMessage, at_s: int, attributes: dict[str, object] | None = None) -> SpanMessage:
    moment = NOON + at_s * SECOND
    return span_message(
        attributes or {},
        trace_id=of.trace_id,
        parent_span_id=of.span_id,
        start_time_unix_nano=moment,
        end_time_unix_nano=moment + SECOND,
    )


def _ids(*spans: SpanMessage) -> list[str]:
    return [span.span_id for span in spans_in(traces(*spans))]


def _told(kept: Kept, match: Match, *messages: SpanMessage) -> list[str]:
    """The spans that the store tells, and that are told out of whole traces where no store can be asked."""
    told = kept.reader.story(match)
    if messages:
        belonging_spans = of_job if match.kind == "job" else of_command
        assert in_order(belonging_spans(match.id, spans_in(traces(*messages)))) == told
    return [span.span_id for span in told]


def test_a_jobs_story_is_its_spans_and_what_ran_inside_but_no_other_jobs_run(kept: Kept) -> None:
    request = span_message({"http.route": "/pay"})
    publish = _child(request, 1, run_attributes(operation="publish", outcome=None, final=None))
    run = _child(publish, 2, run_attributes())
    query = _child(run, 3)
    row = _child(query, 4)
    nested_publish = _child(run, 5, run_attributes("receipt", "j-2", operation="publish"))
    nested_run = _child(nested_publish, 6, run_attributes("receipt", "j-2"))
    nested_query = _child(nested_run, 7)
    again = span_message(run_attributes(attempt=2), start_time_unix_nano=NOON + 8, end_time_unix_nano=NOON + 9)
    everything = (request, publish, run, query, row, nested_publish, nested_run, nested_query, again)
    kept.keep(traces(*reversed(everything)))
    assert _told(kept, Match("job", "j-1"), *everything) == _ids(publish, run, query, row, nested_publish, again)
    assert _told(kept, Match("job", "j-2"), *everything) == _ids(nested_publish, nested_run, nested_query)
    assert _told(kept, Match("trace", request.trace_id.hex())) == _ids(*everything[:-1])
    assert _told(kept, Match("trace", "0" * 31 + "1")) == []


def test_a_commands_story_is_all_it_caused_in_every_trace_and_nothing_of_another_command(kept: Kept) -> None:
    own = {"jobspan.command.id": _COMMAND}
    command = span_message(own, span_id=bytes.fromhex(_COMMAND))
    query = _child(command, 1)
    linked_run = span_message(run_attributes() | own)
    linked_query = _child(linked_run, 2)
    other_command = _child(command, 3, {"jobspan.command.id": _OTHER_COMMAND})
    unrelated = span_message()
    # A backend of traces is asked for those in which the command is seen.
    seen = (command, query, linked_run, linked_query, other_command)
    kept.keep(traces(*seen, unrelated))
    assert _told(kept, Match("command", _COMMAND), *seen) == _ids(command, query, linked_run, linked_query)


def test_a_story_keeps_apart_traces_whose_ids_share_a_half(kept: Kept) -> None:
    command = span_message({"jobspan.command.id": _COMMAND}, span_id=bytes.fromhex(_COMMAND))
    same_low = span_message(trace_id=bytes(8) + command.trace_id[8:])
    same_high = span_message(trace_id=command.trace_id[:8] + b"\xff" * 8)
    run = span_message(run_attributes(), trace_id=command.trace_id)
    kept.keep(traces(same_low, same_high, command, run))
    assert _told(kept, Match("command", _COMMAND), command, run) == _ids(command, run)


def test_a_story_tells_what_others_recorded_within_a_day_in_whatever_order_it_arrived(kept: Kept) -> None:
    day_ns = 86_400 * SECOND
    command = span_message({"jobspan.command.id": _COMMAND}, span_id=bytes.fromhex(_COMMAND))
    began_ns = command.start_time_unix_nano
    late, early, later, earlier = (
        span_message(trace_id=command.trace_id, start_time_unix_nano=at_ns, end_time_unix_nano=at_ns + 1)
        for at_ns in (began_ns + day_ns, began_ns - day_ns, began_ns + day_ns + 1, began_ns - day_ns - 1)
    )
    for arriving in (later, late, command, earlier, early):
        kept.keep(traces(arriving))
    told = (early, command, late)
    assert _told(kept, Match("command", _COMMAND), *told) == _ids(*told)
