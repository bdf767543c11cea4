"""What Dramatiq puts by itself after a run, and a publish that is cut short: one span each, in its place."""

from __future__ import annotations

from typing import Any

import dramatiq
import pytest
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from opentelemetry import trace

from jobspan import DramatiqInstrumentor
from library.conftest import Instrumentation
from support.waiting import wait_until

actor: Any = dramatiq.actor  # its overloads do not take a function and options together


def fail() -> None:
    """Raise."""
    raise LookupError("no")


@pytest.mark.parametrize(
    ("option", "function", "runs"),
    [("on_success", lambda: None, 1), ("on_failure", fail, 1), ("on_retry_exhausted", fail, 2)],
)
def test_a_callback_is_put_by_the_run_that_it_follows(
    instrumentation: Instrumentation, option: str, function: Any, runs: int
) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    actor(lambda *_: None, actor_name="recorded", broker=broker)
    job = actor(function, actor_name="job", broker=broker, max_retries=runs - 1, min_backoff=1, max_backoff=1)
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        job.send_with_options(**{option: "recorded"})
        recorded = "run recorded"
        wait_until(lambda: recorded in [span.name for span in instrumentation.spans], deadline_s=30, what=recorded)
    finally:
        worker.stop()
    named = {span.span_id: span for span in instrumentation.spans}
    last = [span for span in instrumentation.spans if span.name == "run job"][-1]
    put = next(span for span in instrumentation.spans if span.name == "publish recorded")
    assert put.parent_id == last.span_id
    assert last.attributes["jobspan.job.final"] is True
    assert sorted(span.name for span in named.values()) == sorted(
        ["publish job", "run job"] * runs + ["publish recorded", "run recorded"]
    )


class Interrupted(StubBroker):
    """Talks to its server in a span, and is interrupted."""

    provider: Any = None

    def enqueue(self, message: Any, *, delay: Any = None) -> Any:
        """Be interrupted in the midst of it."""
        with trace.get_tracer("client", tracer_provider=self.provider).start_as_current_span("LPUSH"):
            raise KeyboardInterrupt


def test_a_publish_that_is_interrupted_is_ended_around_its_clients_spans(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = Interrupted()
    broker.provider = instrumentation.provider
    outside = trace.get_current_span()
    with pytest.raises(KeyboardInterrupt):
        actor(lambda: None, actor_name="job", broker=broker).send()
    assert trace.get_current_span() is outside
    publish, client = instrumentation.spans
    assert (client.name, client.parent_id) == ("LPUSH", publish.span_id)
    assert (publish.status, publish.attributes["error.type"]) == ("error", "KeyboardInterrupt")
    assert publish.end_ns >= client.end_ns
