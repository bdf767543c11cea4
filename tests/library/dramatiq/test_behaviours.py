"""What we lean on in Dramatiq: an upgrade that changes it fails here first."""

from __future__ import annotations

from typing import Any

import dramatiq
import pytest
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Middleware, SkipMessage


class Notes(Middleware):
    """Writes down each hook that we use, in order."""

    def __init__(self, name: str, into: list[Any]) -> None:
        self.name, self.into = name, into

    def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        self.into.append((self.name, "before_enqueue", message.options.get("retries", 0)))

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.into.append((self.name, "before_process", message))

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.into.append((self.name, "after_process", message, message.failed, exception))

    def after_skip_message(self, broker: Any, message: Any) -> None:
        self.into.append((self.name, "after_skip", message.failed))


@pytest.fixture
def notes() -> list[Any]:
    """What was noted."""
    return []


@pytest.fixture
def broker(notes: list[Any]) -> StubBroker:
    """A broker in this process with our place in the list, the first, taken."""
    found = StubBroker()
    found.middleware.insert(0, Notes("first", notes))
    found.emit_after("process_boot")
    return found


def run(broker: StubBroker, actor: Any) -> None:
    """Put a message and let a worker in this process do it."""
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        actor.send()
        broker.join(actor.queue_name, fail_fast=False)
        worker.join()
    finally:
        worker.stop()


def test_the_first_middleware_is_called_last_after_a_run_when_retries_has_decided(
    broker: StubBroker, notes: list[Any]
) -> None:
    def fail() -> None:
        raise ValueError("no")

    run(broker, dramatiq.actor(broker=broker, max_retries=1, min_backoff=1, max_backoff=1)(fail))
    put_back = next(n for n, entry in enumerate(notes) if entry[1] == "before_enqueue" and entry[2] == 1)
    ends = [(n, entry[3]) for n, entry in enumerate(notes) if entry[1] == "after_process"]
    # The retry is put back before the first middleware hears of the end.
    assert [failed for _, failed in ends] == [False, True]
    assert put_back < ends[0][0]


def test_a_message_is_one_object_from_before_to_after(broker: StubBroker, notes: list[Any]) -> None:
    run(broker, dramatiq.actor(actor_name="plain", broker=broker)(lambda: None))
    before = next(entry[2] for entry in notes if entry[1] == "before_process")
    after = next(entry[2] for entry in notes if entry[1] == "after_process")
    assert before is after


def test_a_skipped_message_is_announced_to_the_first_middleware_too(broker: StubBroker, notes: list[Any]) -> None:
    class Skip(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise SkipMessage("not today")

    broker.add_middleware(Skip())
    run(broker, dramatiq.actor(actor_name="plain", broker=broker)(lambda: None))
    assert [entry[1:] for entry in notes if entry[1] == "after_skip"] == [("after_skip", False)]


def test_options_that_no_middleware_knows_travel_with_the_message(broker: StubBroker, notes: list[Any]) -> None:
    actor = dramatiq.actor(actor_name="plain", broker=broker)(lambda: None)
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        actor.send_with_options(jobspan_carrier={"traceparent": "x"})
        broker.join(actor.queue_name)
        worker.join()
    finally:
        worker.stop()
    ran = next(entry[2] for entry in notes if entry[1] == "before_process")
    assert ran.options["jobspan_carrier"] == {"traceparent": "x"}
