"""A job of which nothing is recorded passes on what it would if all of it were worked out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from opentelemetry import baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, get_current_span, set_span_in_context

import jobspan
from jobspan import conventions as c
from jobspan.job_options import NOTHING, JobOptions
from jobspan.jobs import Job
from jobspan.recording import Recorder
from jobspan.recording.context import message_field, propagation
from jobspan.recording.context.message_field import MessageField
from jobspan.recording.safety import dropped
from jobspan.settings import Settings
from jobspan.testing import a_job, a_publish, a_run

NOW = time.time_ns()
CALLERS = {
    "nobody": Context(),
    "somebody of this process": set_span_in_context(NonRecordingSpan(SpanContext(7, 8, is_remote=False)), Context()),
    "a request of another": set_span_in_context(
        NonRecordingSpan(SpanContext(7, 8, is_remote=True)), baggage.set_baggage("tenant", "a", Context())
    ),
}


class Seen(NamedTuple):
    """What a job sees around it, and what a job that it puts carries."""

    trace_id: int
    is_sampled: bool
    tenant: object
    job: tuple[str | None, str | None, int] | None
    is_on: list[str]
    field: MessageField | None


def recorder(sampler: Sampler = ALWAYS_OFF, **settings: Any) -> Recorder:
    """Return a recorder without a flight record."""
    return Recorder(Settings(state_dir="off", **settings), tracer_provider=TracerProvider(sampler=sampler))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """What was current before is so afterwards."""
    before = otel_context.get_current()
    yield
    assert otel_context.get_current() == before


@pytest.fixture(params=CALLERS)
def caller(request: pytest.FixtureRequest) -> Iterator[Context]:
    """Somebody who puts a job, in whose context the test runs."""
    outside = otel_context.get_current()
    otel_context.attach(CALLERS[request.param])
    yield CALLERS[request.param]
    otel_context.attach(outside)


def put(tell: Recorder, job_id: str, *, passing: bool, queue: str | None = None) -> dict[str, Any]:
    """Put a job; return what it carries."""
    carrier: dict[str, Any] = {"traceparent": "left by an earlier attempt"}
    if passing:
        assert tell.propagate_only(carrier, job_id, NOW, queue)
        return carrier
    job = a_job(id=job_id, queue=queue or "default", routing_key=queue and "key")
    for event in a_publish(job=job, carrier=carrier, at_ns=NOW):
        tell(event)
    return carrier


def run(tell: Recorder, carrier: dict[str, Any], inside: Callable[[], Any], *, passing: bool) -> Any:
    """Run a job and what is done inside of it."""
    job = a_job(name="outer", id="1")
    if passing:
        run = tell.start_unsampled(carrier, lambda: job, NOTHING, NOW)
        assert run is not None
        run.begin()
        seen = inside()
        run.end()
        return seen
    started, finished = a_run(job=job, carrier=carrier, at_ns=NOW)
    tell(started)
    seen = inside()
    tell(finished)
    return seen


def seen_by_a_job(tell: Recorder, *, passing: bool) -> Seen:
    """Put a job, and let it look around and put another."""

    def inside() -> Seen:
        span, job = get_current_span().get_span_context(), jobspan.current_job()
        carrier = put(tell, "2", passing=passing, queue="other")
        return Seen(
            span.trace_id,
            bool(span.trace_flags & 1),
            baggage.get_baggage("tenant"),
            None if job is None else (job.id, job.name, job.attempt),
            sorted(carrier),
            message_field.decode(carrier[c.FIELD]),
        )

    seen: Seen = run(tell, put(tell, "1", passing=passing), inside, passing=passing)
    return seen


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF)])
def test_a_job_sees_and_passes_on_the_same_whether_it_is_worked_out_or_not(caller: Context, sampler: Sampler) -> None:
    tell = recorder(sampler)
    passed, worked_out = (seen_by_a_job(tell, passing=passing) for passing in (True, False))
    has_caller = get_current_span(caller).get_span_context().is_valid
    assert passed == (worked_out if has_caller else worked_out._replace(trace_id=passed.trace_id))
    assert passed.trace_id
    assert not passed.is_sampled
    assert passed.field is not None
    assert (passed.field.depth, passed.field.parent_job_id, passed.field.queue) == (2, "1", "other")


@pytest.mark.parametrize("has_begun", [True, False], ids=["begun", "interrupted before"])
def test_a_run_that_has_ended_lets_go_of_how_its_job_is_told(has_begun: bool) -> None:
    """Also told to end twice, as after an interrupt."""
    told: list[str] = []

    def tell() -> Job:
        told.append("job")
        return a_job(id="1")

    run: Any = recorder().start_unsampled({}, tell, NOTHING, NOW)
    if has_begun:
        run.begin()
    run.end()
    run.end()
    assert (told, run.origin().job) == ([], None)


def test_a_worker_that_samples_for_itself_says_where_the_job_came_from(recording: Any) -> None:
    carrier = put(recorder(), "1", passing=True)
    recorded = recording(relation="link")
    for event in a_run(job=a_job(id="1"), carrier=carrier, at_ns=NOW + 5_000_000, received_ns=NOW + 3_000_000):
        recorded.tell(event)
    (span,) = recorded.spans
    assert [f"00-{link.trace_id}-{link.span_id}" for link in span.links] == [carrier["traceparent"][:-3]]
    assert span.attributes[c.JOBSPAN_JOB_WAIT_QUEUED] == pytest.approx(0.003, abs=0.001)


@pytest.mark.parametrize(
    ("sampler", "settings"),
    [
        (ALWAYS_ON, {}),
        (ParentBased(ALWAYS_OFF, local_parent_not_sampled=ALWAYS_ON, remote_parent_not_sampled=ALWAYS_ON), {}),
    ],
)
def test_what_may_be_sampled_is_worked_out(sampler: Sampler, settings: dict[str, Any]) -> None:
    tell, carrier = recorder(sampler, **settings), put(recorder(), "1", passing=True)
    assert tell.start_unsampled(carrier, a_job, NOTHING, NOW) is None
    outside = otel_context.get_current()
    otel_context.attach(CALLERS["a request of another"])
    is_unsampled = tell.propagate_only({}, "1", NOW, None)
    otel_context.attach(outside)
    assert not is_unsampled


@pytest.mark.parametrize("flags", ["01", "03"])
def test_below_a_sampled_caller_nothing_is_passed_by(flags: str) -> None:
    carrier = {"traceparent": f"00-{7:032x}-{8:016x}-{flags}"}
    assert recorder().start_unsampled(carrier, a_job, NOTHING, NOW) is None
    outside = otel_context.get_current()
    sampled = SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(int(flags, 16)))
    otel_context.attach(set_span_in_context(NonRecordingSpan(sampled)))
    is_unsampled = recorder().propagate_only({}, "1", NOW, None)
    otel_context.attach(outside)
    assert not is_unsampled


@pytest.mark.parametrize(
    ("field", "options", "settings"),
    [
        (None, JobOptions(relation="link"), {}),
        (None, NOTHING, {"relation": "link"}),
        ("1;t=1;x=1", NOTHING, {}),
        ("1;t=1;u=t0", NOTHING, {}),
        ("1;t=1;r=none", NOTHING, {}),
        ("1;t=x", NOTHING, {}),
        ("none of ours", NOTHING, {}),
        (b"1;t=1", NOTHING, {}),
    ],
)
def test_a_run_of_which_more_was_said_is_worked_out(field: Any, options: JobOptions, settings: dict[str, Any]) -> None:
    carrier = {} if field is None else {c.FIELD: field}
    assert recorder(**settings).start_unsampled(carrier, a_job, options, NOW) is None


def test_a_publish_of_which_more_was_said_is_worked_out() -> None:
    tell = recorder()
    assert not tell.propagate_only({c.MEMBERS_FIELD: "1;m="}, "1", NOW, None)
    with jobspan.options(args=True):
        assert not tell.propagate_only({}, "1", NOW, None)
    again = run(tell, {}, lambda: tell.propagate_only({}, "1", NOW, None), passing=True)
    assert not again, "the job puts itself again"


def test_past_the_limit_of_a_trace_the_next_one_begins() -> None:
    tell, outside = recorder(trace_job_limit=2), otel_context.get_current()
    otel_context.attach(CALLERS["somebody of this process"])
    passing = [tell.propagate_only({}, str(number), NOW, None) for number in range(3)]
    otel_context.attach(outside)
    assert passing == [True, True, False]


@pytest.mark.parametrize("carrier", [{"traceparent": "00-nonsense-00"}, {c.FIELD: "1;t=x"}, {c.FIELD: "7;?"}])
def test_what_cannot_be_read_is_counted_once_and_the_run_goes_on(
    carrier: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(dropped, "count", lambda reason, *_, **__: counted.append(reason))
    tell = recorder()
    if tell.start_unsampled(carrier, a_job, NOTHING, NOW) is None:
        for event in a_run(carrier=carrier):
            tell(event)
    assert len(counted) == 1


CAUSES = [(), ("0123456789abcdef", "a name;=%ü", None), ("0123456789abcdef", "x", "job;=%ü"), (None, None, "job")]


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("queue", [None, "a queue;=%"])
def test_a_simple_field_is_what_the_encoder_writes(cause: Any, queue: str | None) -> None:
    said = MessageField(5, 1, 4, *cause)._replace(queue=queue)
    text = message_field.simple(5_999_999, 1, 4_000_001, queue, *cause)
    assert text == message_field.encode(said)
    assert propagation.read_field({c.FIELD: text}) == said
    assert message_field.is_simple(said) is (queue is None)


def test_a_simple_field_that_is_too_long_leaves_out_what_the_encoder_does() -> None:
    long = "\U0001f600" * 256
    said = MessageField(5, 1, 4, "0" * 16, long, long)
    assert message_field.simple(5_000_000, 1, 4_000_000, None, "0" * 16, long, long) == message_field.encode(said)


def test_a_simple_field_with_a_name_that_is_none_or_too_long_is_unreadable() -> None:
    for text in ("1;t=5;d=1;s=4;c=0123456789abcdef;n=%ff", "1;t=5;d=1;s=4;p=%ff", "1;t=5;d=1;s=4;p=" + "x" * 5000):
        assert message_field.decode(text) is None
        assert message_field.decides(text)
