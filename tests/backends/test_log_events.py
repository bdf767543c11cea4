"""Exceptions logged are events of their span; started events are runs in flight until their span is there."""

from __future__ import annotations

import itertools

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from backends.kept_store import Kept
from backends.otlp_requests import NOON, SECOND, WORKER, log_event, logs, run_attributes, span_message, traces
from jobspan.backends.base import Counts, Match, RunFilter
from jobspan.runs import Failure, SpanEvent, open_run_from_event

_RAISED = {"exception.type": "CardError", "exception.message": "declined", "exception.stacktrace": "…"}
_SPAN = span_message(run_attributes(outcome="failed"))
_STARTED = run_attributes(outcome=None, final=None)


@pytest.mark.parametrize("name", ["messaging.process.exception", "messaging.send.exception", "exception"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_logged_exception_is_an_event_of_its_span_whichever_comes_first(kept: Kept, name: str, turned: bool) -> None:
    requests = [traces(_SPAN), logs(log_event(name, _SPAN, _RAISED, NOON + 5))]
    for request in reversed(requests) if turned else requests:
        kept.keep(request)
    (span,) = kept.reader.story(Match("trace", _SPAN.trace_id.hex()))
    (run,) = kept.reader.runs(RunFilter())
    assert span.events == (SpanEvent(name, NOON + 5, _RAISED),)
    assert run.failure == Failure("CardError", "declined", "…")


def test_a_logged_exception_stands_in_time_order_beside_the_spans_own_events(kept: Kept) -> None:
    span = span_message(events=[SpanMessage.Event(name=str(at), time_unix_nano=NOON + at) for at in (1, 3)])
    kept.keep(traces(span), logs(log_event("exception", span, {}, NOON + 2)))
    (told,) = kept.reader.story(Match("trace", span.trace_id.hex()))
    assert [event.name for event in told.events] == ["1", "exception", "3"]


def test_a_logged_exception_sent_twice_is_told_once(kept: Kept) -> None:
    request = logs(log_event("exception", _SPAN, _RAISED))
    kept.keep(traces(_SPAN), request)
    kept.keep(request)
    (span,) = kept.reader.story(Match("trace", _SPAN.trace_id.hex()))
    assert span.events == (SpanEvent("exception", NOON, _RAISED),)


def test_an_exception_of_another_span_is_not_mixed_in(kept: Kept) -> None:
    other_trace = span_message(span_id=_SPAN.span_id)
    kept.keep(traces(_SPAN), logs(log_event("exception", other_trace, _RAISED)))
    (span,) = kept.reader.story(Match("trace", _SPAN.trace_id.hex()))
    assert span.events == ()


def test_an_event_named_by_an_attribute_is_known_too(kept: Kept) -> None:
    record = log_event("", _SPAN, {"event.name": "exception"} | _RAISED)
    kept.keep(traces(_SPAN), logs(record))
    (run,) = kept.reader.runs(RunFilter())
    assert run.failure == Failure("CardError", "declined", "…")


def test_a_started_job_is_a_run_in_flight(kept: Kept) -> None:
    kept.keep(logs(log_event("jobspan.job.started", _SPAN, _STARTED, NOON)))
    event = SpanEvent("jobspan.job.started", NOON, _STARTED)
    expected = open_run_from_event(event, _SPAN.trace_id.hex(), _SPAN.span_id.hex(), WORKER)
    assert kept.reader.runs(RunFilter(outcomes=("running",))) == [expected]
    assert kept.reader.counts(RunFilter()) == Counts(1, 1, 0, 0, {"running": 1})
    assert Match("job", "j-1") in kept.reader.find("j-1")


def test_a_started_event_that_does_not_name_the_operation_is_a_run_too(kept: Kept) -> None:
    bare = {name: value for name, value in _STARTED.items() if name != "messaging.operation.name"}
    kept.keep(logs(log_event("jobspan.job.started", _SPAN, bare)))
    assert [run.job_id for run in kept.reader.runs(RunFilter())] == ["j-1"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_run_in_flight_is_gone_once_its_span_is_there(kept: Kept, order: tuple[int, ...]) -> None:
    started = logs(log_event("jobspan.job.started", _SPAN, _STARTED))
    requests = [started, traces(_SPAN), started]
    for number in order:
        kept.keep(requests[number])
    assert [run.outcome for run in kept.reader.runs(RunFilter())] == ["failed"]
    assert kept.reader.counts(RunFilter()) == Counts(1, 1, 1, 0, {"failed": 1})


def test_a_started_event_sent_twice_is_one_run(kept: Kept) -> None:
    request = logs(log_event("jobspan.job.started", _SPAN, _STARTED))
    kept.keep(request)
    kept.keep(request)
    assert len(kept.reader.runs(RunFilter())) == 1


def test_runs_in_flight_pass_the_filters_and_stand_among_the_others(kept: Kept) -> None:
    spans = [span_message(_STARTED, start_time_unix_nano=NOON + at * SECOND) for at in range(4)]
    ended = [
        span_message(run_attributes(), start_time_unix_nano=NOON + at * SECOND, end_time_unix_nano=NOON + 9 * SECOND)
        for at in (1, 3)
    ]
    kept.keep(
        logs(*(log_event("jobspan.job.started", spans[at], _STARTED, NOON + at * SECOND) for at in (0, 2))),
        traces(*ended),
    )
    runs = kept.reader.runs(RunFilter(jobs=("char*",), limit=3))
    assert [(run.start_ns - NOON) // SECOND for run in runs] == [3, 2, 1]
    assert kept.reader.runs(RunFilter(jobs=("other",))) == []
    assert kept.reader.runs(RunFilter(failed=True)) == []


def test_a_started_command_is_found_by_its_id(kept: Kept) -> None:
    command = span_message(span_id=b"\x7f" + b"c" * 7)
    attributes = {"jobspan.command.id": command.span_id.hex(), "jobspan.command.name": "import-orders"}
    kept.keep(logs(log_event("jobspan.command.started", command, attributes)))
    assert kept.reader.find("7f63") == [Match("command", command.span_id.hex())]
    assert kept.reader.runs(RunFilter()) == []


def test_started_events_do_not_pile_up(kept: Kept) -> None:
    kept.keep(logs(log_event("jobspan.job.started", _SPAN, _STARTED)))
    kept.keep(traces(_SPAN))
    assert kept.store.connection.execute("SELECT count(*) FROM started").fetchall() == [(0,)]
