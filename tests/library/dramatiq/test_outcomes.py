"""Dramatiq in this process: every way in which a run ends, and an interrupt landing anywhere in our hooks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import PriorityQueue
from typing import Any

import dramatiq
import pytest
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Middleware, Shutdown, SkipMessage, TimeLimitExceeded
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import StubBackend
from dramatiq.results import Results
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased

import jobspan
from jobspan import DramatiqInstrumentor
from jobspan.recording import Recorder
from jobspan.runs import Span
from library.conftest import Instrumentation

SOURCES = str(Path(jobspan.__file__).parent)


@pytest.fixture
def broker(instrumentation: Instrumentation) -> StubBroker:
    """An instrumented broker in this process."""
    instrumentation.on(DramatiqInstrumentor())
    return StubBroker()


@contextlib.contextmanager
def working(broker: StubBroker, threads: int = 1) -> Iterator[Worker]:
    """A worker in this process."""
    worker = Worker(broker, worker_timeout=10, worker_threads=threads)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def run(broker: StubBroker, *messages: Any, threads: int = 1) -> None:
    """Let a worker in this process do the messages and what follows them."""
    with working(broker, threads) as worker:
        for message in messages:
            broker.enqueue(message)
        for queue in list(broker.get_declared_queues()):
            broker.join(queue, fail_fast=False)
        worker.join()


def actor(broker: StubBroker, body: Callable[..., Any], name: str = "job", **options: Any) -> Any:
    """Declare an actor of this name."""
    declare: Any = dramatiq.actor  # its overloads do not take a function and options together
    return declare(body, actor_name=name, broker=broker, **options)


def runs(instrumentation: Instrumentation) -> list[Span]:
    """The run spans."""
    return [span for span in instrumentation.spans if span.kind == "consumer"]


def facts(span: Span) -> dict[str, Any]:
    """What a run says of its ending."""
    said = {key: span.attributes.get(f"jobspan.job.{key}") for key in ("outcome", "final", "dead_lettered")}
    error = span.attributes.get("error.type")
    return {key: value for key, value in {**said, "error": error, "status": span.status}.items() if value is not None}


def raising(error: BaseException) -> Callable[..., None]:
    """A body that raises."""

    def body(*_: Any) -> None:
        raise error

    return body


ENDINGS: dict[str, tuple[BaseException, dict[str, Any], dict[str, Any]]] = {
    "failed": (
        ValueError("no"),
        {"max_retries": 0},
        {"outcome": "failed", "final": True, "dead_lettered": True, "error": "ValueError", "status": "error"},
    ),
    "throws": (
        ValueError("no"),
        {"throws": ValueError},
        {"outcome": "failed", "final": True, "dead_lettered": True, "error": "ValueError", "status": "error"},
    ),
    "retry asked for, and refused": (
        dramatiq.Retry("again"),
        {"max_retries": 0},
        {
            "outcome": "failed",
            "final": True,
            "dead_lettered": True,
            "error": "dramatiq.errors.Retry",
            "status": "error",
        },
    ),
    "time limit": (
        TimeLimitExceeded(),
        {"max_retries": 0},
        {"outcome": "timed_out", "final": True, "dead_lettered": True, "error": "timeout", "status": "error"},
    ),
    "shutdown": (
        Shutdown(),
        {"max_retries": 0},
        {"outcome": "interrupted", "final": True, "dead_lettered": True, "status": "unset"},
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_run_that_raises_for_good(instrumentation: Instrumentation, broker: StubBroker, ending: str) -> None:
    error, options, expected = ENDINGS[ending]
    run(broker, actor(broker, raising(error), **options).message())
    assert [facts(span) for span in runs(instrumentation)] == [expected]


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (ValueError("no"), "retried", "error"),
        (dramatiq.RateLimitExceeded("busy"), "retried", "error"),  # type: ignore[no-untyped-call]  # no types
        (dramatiq.Retry("again", delay=1), "retried", "unset"),
        (TimeLimitExceeded(), "timed_out", "error"),
        (Shutdown(), "interrupted", "unset"),
    ],
)
def test_a_run_that_another_follows_is_not_final(
    instrumentation: Instrumentation, broker: StubBroker, error: BaseException, outcome: str, status: str
) -> None:
    tries = iter([raising(error)])
    body = actor(
        broker,
        lambda: [attempt() for attempt in (next(tries, int),)] and None,
        max_retries=1,
        min_backoff=1,
        max_backoff=1,
    )
    run(broker, body.message())
    first, second = runs(instrumentation)
    assert (first.attributes["jobspan.job.outcome"], first.attributes["jobspan.job.final"]) == (outcome, False)
    assert first.status == status
    assert facts(second) == {"outcome": "succeeded", "final": True, "status": "unset"}
    assert second.attributes["jobspan.job.attempt"] == 2


class Before(Middleware):
    """Does something before a message is processed."""

    def __init__(self, what: Callable[[Any], None]) -> None:
        self.what = what

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.what(message)


def skip(message: Any) -> None:
    raise SkipMessage("not today")


def fail_and_skip(message: Any) -> None:
    message.fail()
    raise SkipMessage("not today")


@pytest.mark.parametrize(
    ("middleware", "options", "expected"),
    [
        (Before(skip), {}, {"outcome": "ignored", "final": True, "status": "unset"}),
        (AgeLimit(), {"max_age": 1}, {"outcome": "expired", "final": True, "dead_lettered": True, "status": "unset"}),
        (
            Before(fail_and_skip),
            {},
            {
                "outcome": "rejected",
                "final": True,
                "dead_lettered": True,
                "error": "dramatiq.middleware.middleware.SkipMessage",
                "status": "error",
            },
        ),
    ],
    ids=["ignored", "expired", "rejected"],
)
def test_a_message_that_a_middleware_skips_is_a_run_of_no_length(
    instrumentation: Instrumentation, middleware: Middleware, options: Any, expected: dict[str, Any]
) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker(middleware=[middleware])
    message = actor(broker, lambda: None).message().copy(message_timestamp=1, options=options)
    run(broker, message)
    (span,) = runs(instrumentation)
    assert facts(span) == expected
    assert span.start_ns == span.end_ns
    measured = ("cpu.time", "memory.start", "memory.end", "wait.prefetched")
    assert not [name for name in measured if f"jobspan.job.{name}" in span.attributes]


def test_a_message_marked_as_failed_without_an_exception_is_rejected(
    instrumentation: Instrumentation, broker: StubBroker
) -> None:
    broker.add_middleware(Before(lambda message: message.fail()))
    run(broker, actor(broker, lambda: None).message())
    assert [facts(span) for span in runs(instrumentation)] == [
        {"outcome": "rejected", "final": True, "dead_lettered": True, "error": "_OTHER", "status": "error"}
    ]


def test_an_unknown_actor_is_recorded_once_by_the_nack(instrumentation: Instrumentation, broker: StubBroker) -> None:
    known = actor(broker, lambda: None)
    run(broker, known.message().copy(actor_name="gone"))
    publish, ran = instrumentation.spans
    assert facts(ran) == {
        "outcome": "unroutable",
        "final": True,
        "dead_lettered": True,
        "error": "unknown_job",
        "status": "error",
    }
    assert (ran.name, ran.parent_id, ran.start_ns) == ("run gone", publish.span_id, ran.end_ns)


def test_a_job_that_asks_for_an_unknown_actor_has_failed_and_is_recorded_once(
    instrumentation: Instrumentation, broker: StubBroker
) -> None:
    run(broker, actor(broker, lambda: broker.get_actor("gone"), max_retries=0).message())
    assert [facts(span)["outcome"] for span in runs(instrumentation)] == ["failed"]


def test_an_undecodable_message_is_unroutable_in_its_trace(
    instrumentation: Instrumentation, broker: StubBroker, until: Callable[..., None]
) -> None:
    message = actor(broker, lambda: None).message()
    broker.enqueue(message)
    queue = broker.queues["default"]
    queue.put(queue.get().replace(b'"args"', b'"ars"'))
    with working(broker):
        until(lambda: runs(instrumentation))
    publish, ran, *_ = instrumentation.spans
    assert facts(ran) == {"outcome": "unroutable", "final": True, "error": "undecodable", "status": "error"}
    assert (ran.name, ran.parent_id) == ("run job", publish.span_id)
    assert ran.attributes["messaging.message.id"] == message.message_id


def test_an_error_in_a_middleware_or_result_backend_is_not_the_jobs(
    instrumentation: Instrumentation, broker: StubBroker
) -> None:
    class Broken:
        def store_result(self, *_: Any) -> None:
            raise OSError("no room")

    def complain(_: Any) -> None:
        raise ValueError("middleware")

    broker.add_middleware(Results(backend=Broken()))  # type: ignore[no-untyped-call]  # no types
    broker.add_middleware(Before(complain))
    run(broker, actor(broker, lambda: 1, store_results=True).message())
    assert [facts(span) for span in runs(instrumentation)] == [
        {"outcome": "succeeded", "final": True, "status": "unset"}
    ]


def test_a_rate_limiter_of_the_jobs_is_a_retry(instrumentation: Instrumentation, broker: StubBroker) -> None:
    limiter = ConcurrentRateLimiter(StubBackend(), "one", limit=1)  # type: ignore[no-untyped-call]  # no types

    def limited() -> None:
        with limiter.acquire():
            pass

    job = actor(broker, limited, max_retries=5, min_backoff=1, max_backoff=1)
    with limiter.acquire(), working(broker) as worker:
        job.send_with_options(max_retries=0)
        broker.join("default", fail_fast=False)
        worker.join()
    (span,) = runs(instrumentation)
    assert facts(span)["error"] == "dramatiq.errors.RateLimitExceeded"


def test_a_retry_that_the_broker_does_not_take_leaves_a_final_run(
    instrumentation: Instrumentation, broker: StubBroker
) -> None:
    class Refuse(Middleware):
        def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            if message.options.get("retries"):
                raise dramatiq.middleware.MiddlewareError("full")

    broker.add_middleware(Refuse())
    run(broker, actor(broker, raising(ValueError("no"))).message())
    (span,) = runs(instrumentation)
    assert (span.attributes["jobspan.job.outcome"], span.attributes["jobspan.job.final"]) == ("failed", True)
    refused = [span for span in instrumentation.spans if span.kind == "producer" and span.is_error]
    assert [span.attributes["error.type"] for span in refused] == ["dramatiq.middleware.middleware.MiddlewareError"]


class Landing:
    """Raises an interrupt at the n-th line of ours in a worker's thread, as another thread's exception may."""

    def __init__(self, at: int, function: str) -> None:
        self.left, self.function, self.landed = at, function, False

    def __call__(self, frame: Any, event: str, _: Any) -> Any:
        # A traced line at the end of a "with lock" is where no real interrupt lands: the lock would stay taken.
        source = frame.f_code.co_filename
        is_locked = source.endswith("trace_limits.py")
        if event == "call" and not self.landed and source.startswith(SOURCES) and not is_locked:
            return self.line
        return None

    def line(self, frame: Any, event: str, _: Any) -> Any:
        if event == "line" and not self.landed and self._is_inside(frame):
            self.left -= 1
            if self.left == 0:
                self.landed = True
                raise TimeLimitExceeded
        return self.line

    def _is_inside(self, frame: Any) -> bool:
        while frame is not None:
            if frame.f_code.co_name == self.function and not frame.f_code.co_filename.startswith(SOURCES):
                return False
            if frame.f_code.co_name == self.function:
                return True
            frame = frame.f_back
        return False


@pytest.mark.parametrize("hook", ["before_process_message", "after_process_message", "publish"])
@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_landing_at_any_line_of_ours_loses_no_span_and_leaks_no_context(
    instrumentation: Instrumentation, broker: StubBroker, hook: str, fails: bool
) -> None:
    nested = actor(broker, lambda: None, "nested")

    def body() -> None:
        nested.send()
        if fails:
            raise ValueError("no")

    job = actor(broker, body, queue_name="jobs", max_retries=0)
    put, at, landed = [], 0, True
    while landed:
        at += 1
        put.append(job.send().message_id)
        landed = do_one(broker, "jobs", Landing(at, hook))
        assert trace.get_current_span() is trace.INVALID_SPAN
    ended = [span.attributes["messaging.message.id"] for span in runs(instrumentation)]
    assert sorted(ended) == sorted(put)
    assert at > 20


def test_a_run_that_is_not_sampled_stays_so_wherever_an_interrupt_lands_as_it_begins(
    instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded, whole = list[str](), Recorder.__call__

    def noting(recorder: Recorder, event: Any) -> None:
        recorded.append(type(event).__name__)
        whole(recorder, event)

    monkeypatch.setattr(Recorder, "__call__", noting)
    instrumentation.provider.sampler = ParentBased(ALWAYS_OFF)
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    job, at, landed = actor(broker, lambda: None, queue_name="jobs", max_retries=0), 0, True
    while landed:
        at += 1
        job.send()
        landed = do_one(broker, "jobs", Landing(at, "before_process_message"))
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert ([name for name in recorded if name.startswith("Run")], at > 20) == ([], True)


def do_one(broker: StubBroker, queue: str, interrupt: Landing) -> bool:
    """Do the next message in this thread as a worker's thread does; say whether the interrupt landed."""
    from dramatiq import worker

    consumer_class = getattr(worker, "ConsumerThread", None) or worker._ConsumerThread
    worker_class = getattr(worker, "WorkerThread", None) or worker._WorkerThread
    work: Any = PriorityQueue()
    consumer = consumer_class(broker=broker, queue_name=queue, prefetch=1, work_queue=work, worker_timeout=10)
    consumer.consumer = broker.consume(queue, timeout=100)
    message: Any = next(consumer.consumer)
    work.put(1)
    thread = worker_class(broker=broker, consumers={queue: consumer}, work_queue=work, worker_timeout=10)
    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        thread.process_message(message)
    except TimeLimitExceeded:
        pass  # Dramatiq lets an interrupt out that comes while it reports an exception
    finally:
        sys.settrace(before)
    return interrupt.landed
