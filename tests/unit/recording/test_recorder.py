"""Events in, spans out: names, parents, links, attributes and status."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach, get_current
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import NonRecordingSpan, NoOpTracerProvider, SpanContext, use_span

from jobspan import conventions as c
from jobspan.events import CommandFinished, CommandStarted, JobDropped, RunAbandoned, RunLost
from jobspan.jobs import Broker, Outcome
from jobspan.recording import Recorder
from jobspan.recording.safety import dropped
from jobspan.settings import Settings
from support.matching import (
    ANY_INT,
    ANY_NOT_NEGATIVE,
    ANY_TEXT,
    assert_spans,
    expected_exception,
    expected_link,
    expected_span,
)
from unit.recording.builders import REDIS, T0, job, publish_finished, publish_started, run_finished, run_started
from unit.recording.conftest import Recorded

PUBLISH = {
    "messaging.system": "redis",
    "messaging.operation.name": "publish",
    "messaging.operation.type": "send",
    "messaging.destination.name": "mail",
    "messaging.message.id": "job-1",
    "server.address": "localhost",
    "server.port": 6379,
    "jobspan.framework": "celery",
    "jobspan.job.name": "send_mail",
    "jobspan.job.attempt": 1,
}
RUN = {
    **PUBLISH,
    "messaging.operation.name": "run",
    "messaging.operation.type": "process",
    "messaging.client.id": "w1",
    "jobspan.job.outcome": "succeeded",
    "jobspan.job.final": True,
    "jobspan.job.cpu.time": ANY_NOT_NEGATIVE,
    "jobspan.job.memory.start": ANY_INT,
    "jobspan.job.memory.end": ANY_INT,
    "jobspan.job.memory.peak": ANY_INT,
    "jobspan.job.memory.source": "exact",
    "jobspan.job.concurrency": 1,
    "process.pid": ANY_INT,
    "thread.id": ANY_INT,
    "thread.name": "MainThread",
}
WAITED = {"jobspan.job.wait.queued": 2.0}


def publish(recorded: Recorded, **facts: Any) -> dict[str, Any]:
    """Publish the job and return what its message carries."""
    carrier: dict[str, Any] = facts.pop("carrier", {})
    recorded.tell(publish_started(carrier=carrier, **facts))
    recorded.tell(publish_finished())
    return carrier


def run(recorded: Recorded, carrier: dict[str, Any], **finish: Any) -> None:
    """Run the job of a message."""
    recorded.tell(run_started(carrier=carrier))
    recorded.tell(run_finished(**finish))


def test_a_run_is_a_linked_child_of_its_publish(recorded: Recorded) -> None:
    run(recorded, publish(recorded))
    assert_spans(
        recorded.spans,
        [
            expected_span("publish send_mail", "producer", id="publish", attributes=PUBLISH),
            expected_span(
                "run send_mail",
                "consumer",
                id="run",
                parent="publish",
                attributes={**RUN, **WAITED},
                links=[expected_link("publish", "publish")],
            ),
        ],
    )


def test_spans_have_the_times_of_their_events(recorded: Recorded) -> None:
    run(recorded, publish(recorded))
    assert [(span.start_ns - T0, span.end_ns - T0) for span in recorded.spans] == [
        (0, 1_000_000),
        (2_000_000_000, 3_000_000_000),
    ]


@pytest.mark.parametrize(("relation", "links"), [("link", [expected_link("publish", "publish")]), ("none", [])])
def test_with_another_relation_a_run_begins_its_own_trace(
    recording: Callable[..., Recorded], relation: str, links: list[Any]
) -> None:
    recorded = recording(relation=relation)
    run(recorded, publish(recorded))
    _, ran = recorded.spans
    attributes = {**RUN, **WAITED}
    assert_spans(
        recorded.spans,
        [
            expected_span("publish send_mail", "producer", id="publish", attributes=PUBLISH),
            expected_span("run send_mail", "consumer", id="run", trace="other", attributes=attributes, links=links),
        ],
    )
    assert ran.parent_id is None


@pytest.mark.parametrize("relation", ["child+link", "link", "none"])
def test_baggage_arrives_whatever_the_relation(recording: Callable[..., Recorded], relation: str) -> None:
    recorded = recording(relation=relation)
    token = attach(baggage.set_baggage("tenant", "acme"))
    carrier = publish(recorded)
    detach(token)
    recorded.tell(run_started(carrier=carrier))
    assert baggage.get_baggage("tenant") == "acme"
    recorded.tell(run_finished())
    assert baggage.get_baggage("tenant") is None


def test_a_failed_run_has_the_exception_with_its_cause(recorded: Recorded) -> None:
    try:
        try:
            raise KeyError("card")
        except KeyError as cause:
            raise ValueError("declined") from cause
    except ValueError as raised:
        error = raised
    run(recorded, {}, outcome=Outcome.FAILED, error=error)
    assert_spans(
        recorded.spans,
        [
            expected_span(
                "run send_mail",
                "consumer",
                id="run",
                attributes={**RUN, "jobspan.job.outcome": "failed", "error.type": "ValueError"},
                status="error",
                status_message="declined",
                events=[expected_exception("ValueError", "declined")],
            )
        ],
    )
    stack = recorded.spans[0].events[0].attributes["exception.stacktrace"]
    assert "KeyError: 'card'" in stack
    assert "direct cause" in stack


@pytest.mark.parametrize(
    ("settings", "error", "status"),
    [
        ({}, ValueError("busy"), "error"),
        ({"retry_status": "unset"}, ValueError("busy"), "unset"),
        ({}, None, "unset"),
    ],
)
def test_the_status_of_a_retried_run(
    recording: Callable[..., Recorded], settings: dict[str, Any], error: Exception | None, status: str
) -> None:
    recorded = recording(**settings)
    run(recorded, {}, outcome=Outcome.RETRIED, final=False, error=error, retry_delay_s=1.5)
    (span,) = recorded.spans
    assert span.status == status
    assert ("error.type" in span.attributes) == (status == "error")
    assert span.attributes["jobspan.job.retry.delay"] == 1.5
    assert span.attributes.get("jobspan.job.retry.reason") == ("ValueError: busy" if error else None)
    assert [event.name for event in span.events] == (["exception"] if error else [])


def test_a_retry_is_linked_to_the_attempt_before(recorded: Recorded) -> None:
    first = publish(recorded)
    recorded.tell(run_started(carrier=first))
    second: dict[str, Any] = dict(first)
    recorded.tell(publish_started(key="again", job=job(attempt=2), carrier=second))
    recorded.tell(publish_finished(key="again"))
    recorded.tell(run_finished(outcome=Outcome.RETRIED, final=False))
    run(recorded, second)
    spans = {(span.name, span.start_ns, span.span_id): span for span in recorded.spans}.values()
    first_run, second_run = [span for span in spans if span.name == "run send_mail"]
    assert [(link.type, link.span_id) for link in second_run.links] == [
        ("publish", second_run.parent_id),
        ("previous_attempt", first_run.span_id),
    ]


def test_a_publish_that_fails_is_ended_with_the_error_and_leaves_the_context_as_it_was(recorded: Recorded) -> None:
    before = get_current()
    recorded.tell(publish_started())
    recorded.tell(publish_finished(error=ConnectionError("refused")))
    assert get_current() == before
    assert_spans(
        recorded.spans,
        [
            expected_span(
                "publish send_mail",
                "producer",
                id="publish",
                attributes={**PUBLISH, "error.type": "ConnectionError"},
                status="error",
                status_message="refused",
                events=[expected_exception("ConnectionError", "refused", ANY_TEXT)],
            )
        ],
    )


def test_the_jobs_own_spans_and_publishes_hang_beneath_its_run(recorded: Recorded) -> None:
    recorded.tell(run_started(job=job(parent_id=None)))
    inside = trace.get_current_span().get_span_context()
    carrier: dict[str, Any] = {}
    recorded.tell(publish_started(job=job(id="job-2", name="receipt"), carrier=carrier))
    recorded.tell(publish_finished())
    recorded.tell(run_finished())
    nested = recorded.spans[0]
    assert nested.parent_id == f"{inside.span_id:016x}"
    assert nested.attributes["jobspan.job.parent.id"] == "job-1"
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_job_carries_the_command_that_caused_it_through_nested_jobs(recorded: Recorded) -> None:
    recorded.tell(CommandStarted("command", "users import", {}, T0))
    outer = publish(recorded)
    recorded.tell(CommandFinished("command", 0, None, T0 + 5))
    recorded.tell(run_started(carrier=outer))
    inner: dict[str, Any] = {}
    recorded.tell(publish_started(job=job(id="job-2"), carrier=inner))
    recorded.tell(publish_finished())
    recorded.tell(run_finished())
    run(recorded, inner)
    command = next(span for span in recorded.spans if span.name == "users import")
    assert {
        (span.attributes["jobspan.command.id"], span.attributes["jobspan.command.name"]) for span in recorded.spans
    } == {(command.span_id, "users import")}


def test_a_command_counts_what_it_put_and_what_it_could_not(recorded: Recorded) -> None:
    recorded.tell(CommandStarted("command", "users import", {}, T0))
    publish(recorded)
    recorded.tell(publish_started())
    recorded.tell(publish_finished(error=OSError("down")))
    in_thread = threading.Thread(target=publish, args=(recorded,))
    in_thread.start()
    in_thread.join()
    recorded.tell(CommandFinished("command", 3, None, T0 + 5))
    assert_spans(
        [span for span in recorded.spans if span.kind == "internal"],
        [
            expected_span(
                "users import",
                "internal",
                id="command",
                status="error",
                attributes={
                    "jobspan.command.name": "users import",
                    "jobspan.command.id": ANY_TEXT,
                    "jobspan.command.jobs.published": 2,
                    "jobspan.command.jobs.failed_to_publish": 1,
                    "process.executable.name": ANY_TEXT,
                    "process.pid": ANY_INT,
                    "process.exit.code": 3,
                    "jobspan.command.outcome": "failed",
                    "error.type": "3",
                },
            )
        ],
    )
    assert {span.parent_id for span in recorded.spans if span.kind == "producer"} == {recorded.spans[-1].span_id}


def test_a_traceparent_in_the_environment_is_the_parent_of_a_command(recorded: Recorded) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    recorded.tell(CommandStarted("command", "users import", {"traceparent": parent}, T0))
    recorded.tell(CommandFinished("command", 0, None, T0 + 5))
    (span,) = recorded.spans
    assert (span.trace_id, span.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.mark.parametrize(
    ("carrier", "counted"),
    [
        ({}, {}),
        ({"traceparent": "garbage"}, {"unreadable_context": 1}),
        ({"traceparent": 17}, {"unreadable_context": 1}),
        ({"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-01"}, {"unreadable_context": 1}),
        ({"baggage": "a=\ud800"}, {"unreadable_context": 1}),
        ({"jobspan-context": "9;t=1"}, {"unreadable_field": 1}),
        ({"jobspan-context": "1;t=yesterday"}, {"unreadable_field": 1}),
        ({"jobspan-context": ["1"], "baggage": {"a": 1}}, {"unreadable_field": 1}),
    ],
)
def test_a_message_without_context_or_with_garbage_gives_a_root_span(
    recorded: Recorded, carrier: dict[str, Any], counted: dict[str, int]
) -> None:
    run(recorded, carrier)
    assert_spans(recorded.spans, [expected_span("run send_mail", "consumer", id="run", attributes=RUN)])
    assert dropped.counts() == counted


@pytest.mark.parametrize(
    ("facts", "waits"),
    [
        ({}, {"queued": 2.0}),
        ({"received_ns": T0 + 500_000_000}, {"queued": 0.5, "prefetched": 1.5}),
        # Due after 1.5 s: received at once, held in the worker, and begun half a second late.
        (
            {"job": job(scheduled_ns=T0 + 1_500_000_000), "received_ns": T0 + 100_000_000},
            {"scheduled": 1.5, "queued": 0.0, "prefetched": 0.5},
        ),
        ({"received_ns": T0 - 5_000_000_000}, {"queued": 0.0, "prefetched": 7.0, "skew": True}),
    ],
)
def test_waits_are_split_and_never_negative(recorded: Recorded, facts: dict[str, Any], waits: dict[str, Any]) -> None:
    recorded.tell(run_started(carrier=publish(recorded), **facts))
    recorded.tell(run_finished())
    attributes = recorded.spans[-1].attributes
    found = {name.removeprefix("jobspan.job.wait."): v for name, v in attributes.items() if "job.wait" in name}
    if "jobspan.job.clock_skew" in attributes:
        found["skew"] = attributes["jobspan.job.clock_skew"]
    assert found == waits


def test_an_eager_run_hangs_beneath_its_caller_and_has_no_waits(recorded: Recorded) -> None:
    recorded.tell(run_started(key="outer"))
    recorded.tell(run_started(key="inner", eager=True, broker=Broker("memory"), job=job(id="job-2")))
    recorded.tell(run_finished(key="inner"))
    recorded.tell(run_finished(key="outer"))
    inner, outer = recorded.spans
    assert inner.parent_id == outer.span_id
    assert inner.attributes["jobspan.job.eager"] is True
    assert inner.links == ()


def test_suppressed_instrumentation_is_honoured(recorded: Recorded) -> None:
    with suppress_instrumentation():
        carrier = publish(recorded)
    assert recorded.spans == ()
    assert carrier == {}


def test_an_end_without_a_beginning_is_passed_over(recorded: Recorded) -> None:
    recorded.tell(publish_finished())
    recorded.tell(run_finished())
    assert recorded.spans == ()


@pytest.mark.parametrize(
    ("signal", "span_events", "log_events"),
    [
        ("", ["exception"], []),
        ("logs", [], ["messaging.process.exception"]),
        ("logs/dup", ["exception"], ["messaging.process.exception"]),
    ],
)
def test_exceptions_go_where_the_setting_says(
    recording: Callable[..., Recorded], signal: str, span_events: list[str], log_events: list[str]
) -> None:
    recorded = recording(exception_signal=signal)
    run(recorded, {}, outcome=Outcome.FAILED, error=ValueError("declined"))
    (span,) = recorded.spans
    assert [event.name for event in span.events] == span_events
    assert [
        (log.event_name, f"{log.span_id:016x}", log.attributes["exception.type"]) for log in recorded.log_events
    ] == [(name, span.span_id, "ValueError") for name in log_events]


def test_started_events_are_emitted_when_asked_for(recording: Callable[..., Recorded]) -> None:
    recorded = recording(started_events=True)
    recorded.tell(CommandStarted("command", "users import", {}, T0))
    run(recorded, publish(recorded))
    recorded.tell(CommandFinished("command", 0, None, T0 + 5))
    ids = {span.span_id for span in recorded.spans}
    assert [log.event_name for log in recorded.log_events] == ["jobspan.command.started", "jobspan.job.started"]
    assert {f"{log.span_id:016x}" for log in recorded.log_events} <= ids


def test_a_message_is_redacted_wherever_it_appears(recorded: Recorded) -> None:
    run(recorded, {}, outcome=Outcome.RETRIED, final=False, error=ValueError("password=hunter2 is wrong"))
    assert "hunter2" not in repr(recorded.spans)
    assert recorded.spans[0].status_message == "password=[redacted] is wrong"


def test_without_messages_and_stacks_only_the_type_is_told(recording: Callable[..., Recorded]) -> None:
    recorded = recording(exception_message=False, stack_frames=0)
    run(recorded, {}, outcome=Outcome.RETRIED, final=False, error=ValueError("hunter2"))
    (span,) = recorded.spans
    assert span.events[0].attributes == {"exception.type": "ValueError"}
    assert span.attributes["jobspan.job.retry.reason"] == "ValueError"
    assert span.status_message == ""


def test_a_job_that_never_ran_is_a_run_of_no_length_without_costs(recorded: Recorded) -> None:
    carrier = publish(recorded)
    at = T0 + 2_000_000_000
    recorded.tell(
        JobDropped(job(), REDIS, carrier, "w1", Outcome.UNROUTABLE, final=True, at_ns=at, error_type="unknown_job")
    )
    said = ("jobspan.job.cpu.time", "jobspan.job.memory", "jobspan.job.concurrency", "process.pid", "thread.")
    attributes = {name: value for name, value in {**RUN, **WAITED}.items() if not name.startswith(said)}
    attributes |= {"jobspan.job.outcome": "unroutable", "error.type": "unknown_job"}
    links = [expected_link("publish", "publish")]
    told = expected_span(
        "run send_mail", "consumer", id="run", parent="publish", status="error", attributes=attributes, links=links
    )
    assert_spans(recorded.spans[1:], [told])
    assert recorded.spans[1].start_ns == recorded.spans[1].end_ns == at


def test_a_run_that_another_process_tells_has_its_own_times_and_pid(recorded: Recorded) -> None:
    carrier = publish(recorded)
    begin, end = T0 + 2_000_000_000, T0 + 9_000_000_000
    recorded.tell(
        RunLost(job(), REDIS, carrier, "w1", Outcome.TIMED_OUT, final=True, started_ns=begin, at_ns=end, pid=4711)
    )
    span = recorded.spans[1]
    assert (span.start_ns, span.end_ns, span.parent_id) == (begin, end, recorded.spans[0].span_id)
    assert (span.status, span.attributes["error.type"], span.attributes["process.pid"]) == ("error", "timeout", 4711)
    assert span.attributes["jobspan.job.outcome"] == "timed_out"


def test_what_an_earlier_attempt_left_on_the_message_does_not_travel_on(recorded: Recorded) -> None:
    left = {"baggage": "tenant=old", "tracestate": "old=1", "traceparent": "old", "jobspan-context": "1;t=1"}
    carrier = publish(recorded, carrier=left)
    assert sorted(carrier) == ["jobspan-context", "traceparent"]
    assert recorded.spans[0].trace_id in carrier["traceparent"]


def test_baggage_that_the_caller_put_on_the_message_by_hand_travels_on(recorded: Recorded) -> None:
    carrier = publish(recorded, carrier={"baggage": "tenant=acme", "tracestate": "old=1", "traceparent": "old"})
    assert sorted(carrier) == ["baggage", "jobspan-context", "traceparent"]
    recorded.tell(run_started(carrier=carrier))
    assert baggage.get_baggage("tenant") == "acme"
    recorded.tell(run_finished())


def test_baggage_of_the_context_takes_the_place_of_what_the_caller_put_by_hand(recorded: Recorded) -> None:
    token = attach(baggage.set_baggage("tenant", "new"))
    carrier = publish(recorded, carrier={"baggage": "tenant=old"})
    detach(token)
    assert carrier["baggage"] == "tenant=new"


def test_a_retry_keeps_the_parent_of_its_first_attempt(recorded: Recorded) -> None:
    recorded.tell(run_started(key="parent", job=job(id="parent-job")))
    first = publish(recorded, key="publish")
    recorded.tell(run_finished(key="parent"))
    recorded.tell(run_started(carrier=first))
    second = publish(recorded, job=job(attempt=2))
    recorded.tell(run_finished(outcome=Outcome.RETRIED, final=False))
    run(recorded, second)
    parents = {span.attributes.get("jobspan.job.parent.id") for span in recorded.spans if span.name != "run parent-job"}
    assert parents == {None, "parent-job"}
    assert recorded.spans[-1].attributes["jobspan.job.parent.id"] == "parent-job"


@pytest.mark.parametrize(("is_asked_for", "status", "error_type"), [(True, "unset", None), (False, "error", "_OTHER")])
def test_a_rejected_run_is_an_error_unless_the_job_asked_for_it(
    recorded: Recorded, is_asked_for: bool, status: str, error_type: str | None
) -> None:
    recorded.tell(run_started())
    recorded.tell(run_finished(outcome=Outcome.REJECTED, is_asked_for=is_asked_for))
    (span,) = recorded.spans
    assert (span.status, span.attributes.get("error.type")) == (status, error_type)


def test_an_abandoned_run_is_not_told_and_leaves_the_context_as_it_was(recorded: Recorded) -> None:
    before = get_current()
    recorded.tell(run_started())
    recorded.tell(RunAbandoned("run"))
    recorded.tell(run_finished())
    assert recorded.spans == ()
    assert get_current() == before


def test_a_redelivered_run_says_so(recorded: Recorded) -> None:
    recorded.tell(run_started(job=job(is_redelivered=True)))
    recorded.tell(run_finished())
    assert recorded.spans[0].attributes["jobspan.job.redelivered"] is True


def test_without_messages_a_retrys_own_reason_is_not_told_either(recording: Callable[..., Recorded]) -> None:
    recorded = recording(exception_message=False)
    run(recorded, {}, outcome=Outcome.RETRIED, final=False, retry_reason="hunter2")
    assert "hunter2" not in repr(recorded.spans)


def test_an_eager_run_carries_its_callers_command_to_what_it_puts(recorded: Recorded) -> None:
    recorded.tell(CommandStarted("command", "users import", {}, T0))
    recorded.tell(run_started(eager=True, broker=Broker("memory")))
    publish(recorded, job=job(id="job-2"))
    recorded.tell(run_finished())
    recorded.tell(CommandFinished("command", 0, None, T0 + 5))
    command = recorded.spans[-1]
    assert {span.attributes["jobspan.command.id"] for span in recorded.spans} == {command.span_id}
    assert command.attributes["jobspan.command.jobs.published"] == 1


def test_without_an_sdk_a_publish_leaves_nothing_of_ours_on_its_message() -> None:
    tell = Recorder(Settings(state_dir="off"), tracer_provider=NoOpTracerProvider())
    carrier: dict[str, Any] = {c.MEMBERS_FIELD: "1;m=0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7", "mine": 1}
    tell(publish_started(carrier=carrier))
    tell(publish_finished())
    assert carrier == {"mine": 1}


def test_without_an_sdk_the_context_that_came_travels_on() -> None:
    tell = Recorder(Settings(state_dir="off"), tracer_provider=NoOpTracerProvider())
    carrier: dict[str, Any] = {}
    came = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0x00F067AA0BA902B7, is_remote=True)
    with use_span(NonRecordingSpan(came)):
        tell(publish_started(carrier=carrier))
        tell(publish_finished())
    assert carrier["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00"
