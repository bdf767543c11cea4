"""Dramatiq in this process: every broker is instrumented, and behaves as it does without us."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import dramatiq
import pytest
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import AgeLimit, Callbacks, Retries

from jobspan import DramatiqInstrumentor
from library.conftest import Instrumentation


def run(broker: StubBroker, *messages: Any) -> None:
    """Let a worker in this process do the messages."""
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        for message in messages:
            broker.enqueue(message)
        for queue in list(broker.get_declared_queues()):
            broker.join(queue, fail_fast=False)
        worker.join()
    finally:
        worker.stop()


def recorded(instrumentation: Instrumentation) -> list[tuple[Any, ...]]:
    """Each span's name, outcome and attempt."""
    return [
        (span.name, span.attributes.get("jobspan.job.outcome"), span.attributes["jobspan.job.attempt"])
        for span in instrumentation.spans
    ]


@pytest.mark.parametrize("when", ["before", "after"])
def test_brokers_made_before_and_after_instrument_are_instrumented(instrumentation: Instrumentation, when: str) -> None:
    if when == "after":
        instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker(middleware=[Retries(max_retries=0)])
    before = dramatiq.broker.global_broker
    dramatiq.set_broker(broker)
    try:
        if when == "before":
            instrumentation.on(DramatiqInstrumentor())
        run(broker, dramatiq.actor(actor_name="plain", broker=broker)(lambda: None).message())
    finally:
        dramatiq.broker.global_broker = before
    assert recorded(instrumentation) == [("publish plain", None, 1), ("run plain", "succeeded", 1)]


def test_our_middleware_is_first_and_the_users_list_is_as_it_was(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    mine = [AgeLimit(), Callbacks(), Retries()]
    broker = StubBroker(middleware=list(mine))
    assert type(broker.middleware[0]).__name__ == "JobspanMiddleware"
    assert broker.middleware[1:] == mine
    assert broker.actor_options == {"max_age", "on_success", "on_failure"} | Retries().actor_options


def test_the_users_options_arrive_as_they_were_given(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    seen: list[Any] = []

    class See(dramatiq.Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append({k: v for k, v in message.options.items() if k != "jobspan_carrier"})

    broker.add_middleware(See())
    actor = dramatiq.actor(actor_name="plain", broker=broker)(lambda: None)
    on_failure = dramatiq.actor(actor_name="sorry", broker=broker)(lambda *_: None)
    given: dict[str, Any] = {"max_retries": 0, "time_limit": 1234, "on_failure": on_failure}
    run(broker, actor.message_with_options(**given))
    assert seen == [{"max_retries": 0, "time_limit": 1234, "on_failure": "sorry"}]


def test_a_run_that_raised_is_final_unless_its_message_was_put_back(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())

    def fail() -> None:
        raise ValueError("no")

    # Without Retries a message that raised is acknowledged and gone.
    bare = StubBroker(middleware=[])
    run(bare, dramatiq.actor(actor_name="once", broker=bare)(fail).message())
    kept = StubBroker()
    run(
        kept,
        dramatiq.actor(actor_name="twice", broker=kept, max_retries=1, min_backoff=1, max_backoff=1)(fail).message(),
    )
    runs = [span.attributes for span in instrumentation.spans if span.name.startswith("run ")]
    assert [(run["jobspan.job.outcome"], run["jobspan.job.attempt"], run["jobspan.job.final"]) for run in runs] == [
        ("failed", 1, True),
        ("retried", 1, False),
        ("failed", 2, True),
    ]


def test_a_delayed_message_is_one_publish_and_waits_as_asked(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    actor = dramatiq.actor(actor_name="later", broker=broker)(lambda: None)
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        actor.send_with_options(delay=100)
        broker.join(actor.queue_name)
        worker.join()
    finally:
        worker.stop()
    publish, ran = instrumentation.spans
    assert ran.parent_id == publish.span_id
    assert ran.attributes["jobspan.job.wait.scheduled"] == pytest.approx(0.1, abs=0.002)
    assert publish.attributes["messaging.destination.name"] == ran.attributes["messaging.destination.name"] == "default"


def test_uninstrument_leaves_nothing_behind(instrumentation: Instrumentation) -> None:
    from dramatiq import worker

    consumer = getattr(worker, "ConsumerThread", None) or worker._ConsumerThread
    before = (dramatiq.Broker.__init__, vars(consumer)["handle_message"])
    for _ in range(3):
        DramatiqInstrumentor().instrument(tracer_provider=instrumentation.provider)
        broker = StubBroker()
        middleware = broker.middleware[1:]
        DramatiqInstrumentor().uninstrument()
        assert broker.middleware == middleware
        assert "enqueue" not in vars(broker)
    assert (dramatiq.Broker.__init__, vars(consumer)["handle_message"]) == before
    run(broker, dramatiq.actor(actor_name="plain", broker=broker)(lambda: None).message())
    assert instrumentation.spans == ()


def test_a_broker_that_its_application_drops_is_gone(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    brokers = [weakref.ref(StubBroker()) for _ in range(5)]
    gc.collect()
    assert [broker() for broker in brokers] == [None] * 5
