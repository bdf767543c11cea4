"""A Dramatiq application: the same jobs as in ``celery_app``."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import RateLimitExceeded, Retry
from dramatiq.middleware import AsyncIO, CurrentMessage, GroupCallbacks, TimeLimitExceeded
from dramatiq.rate_limits.backends import RedisBackend

from apps.errors import CardDeclined, NotYet, decline
from support import diary


def _broker(url: str) -> dramatiq.Broker:
    if url.startswith("amqp"):
        from dramatiq.brokers.rabbitmq import RabbitmqBroker

        return RabbitmqBroker(url=url)
    return RedisBroker(url=url)  # type: ignore[no-untyped-call]  # its constructor has no types


broker = _broker(os.environ["TEST_BROKER_URL"])
broker.add_middleware(CurrentMessage())
if isinstance(broker, RedisBroker):
    broker.add_middleware(GroupCallbacks(RedisBackend(url=os.environ["TEST_BROKER_URL"])))
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)


def _attempt() -> int:
    message = CurrentMessage.get_current_message()
    return 1 if message is None else message.options.get("retries", 0) + 1


def _noted() -> AbstractContextManager[diary.RunNotes]:
    message = CurrentMessage.get_current_message()
    if message is None:
        raise RuntimeError("called outside a worker")
    return diary.run("dramatiq", message.actor_name, message.message_id, _attempt())


def put(actor: dramatiq.Actor[..., Any], *args: Any, **options: Any) -> str:
    """Publish a job, write it down and return its id."""
    message = actor.send_with_options(args=args, **options)
    diary.published("dramatiq", actor.actor_name, message.message_id)
    return message.message_id


@dramatiq.actor(queue_name="work")
def ok(number: int = 1) -> None:
    """Succeed."""
    with _noted():
        pass


@dramatiq.actor(queue_name="work")
def slow(seconds: float) -> None:
    """Take time."""
    with _noted():
        time.sleep(seconds)


@dramatiq.actor(queue_name="work", max_retries=0)
def fail(card: str = "4711") -> None:
    """Fail with a chained exception."""
    with _noted() as run:
        run.will("failed", final=True)
        decline(card)


@dramatiq.actor(queue_name="work", max_retries=3)
def retry_then_succeed(failures: int = 1) -> None:
    """Ask for a retry so often, then succeed."""
    with _noted() as run:
        if _attempt() <= failures:
            run.will_ask_again()
            raise Retry(f"attempt {_attempt()}", delay=1)


@dramatiq.actor(queue_name="work", max_retries=3, min_backoff=1, max_backoff=10)
def autoretry_then_succeed(failures: int = 1) -> None:
    """Raise what is retried automatically so often, then succeed."""
    with _noted() as run:
        if _attempt() <= failures:
            run.will("retried", final=False)
            raise NotYet(f"attempt {_attempt()}")


@dramatiq.actor(queue_name="work", max_retries=1, min_backoff=1, max_backoff=10)
def exhaust() -> None:
    """Fail, be retried once, and fail for good."""
    with _noted() as run:
        last = _attempt() > 1
        run.will("failed" if last else "retried", final=last)
        decline("4711")


@dramatiq.actor(queue_name="work")
def nest(depth: int = 1) -> None:
    """Publish ``ok``, or itself until the depth is reached."""
    with _noted():
        put(ok) if depth <= 1 else put(nest, depth - 1)


@dramatiq.actor(queue_name="work")
def allocate(megabytes: int) -> None:
    """Hold so much touched memory for a moment, and let it go."""
    with _noted():
        len(bytearray(b"x") * (megabytes * 1024 * 1024))


@dramatiq.actor(queue_name="work", throws=CardDeclined)
def throws() -> None:
    """Raise what is never retried."""
    with _noted() as run:
        run.will("failed", final=True)
        decline("4711")


@dramatiq.actor(queue_name="work", max_retries=3, min_backoff=1, max_backoff=10)
def busy() -> None:
    """Find a rate limit exceeded, once."""
    with _noted() as run:
        if _attempt() == 1:
            run.will("retried", final=False)
            raise RateLimitExceeded("busy")  # type: ignore[no-untyped-call]  # it has no types


@dramatiq.actor(queue_name="work", max_retries=0)
def over_limit() -> None:
    """End as the time limit would have it."""
    with _noted() as run:
        run.will("timed_out", final=True)
        raise TimeLimitExceeded


@dramatiq.actor(queue_name="work")
async def in_coroutine() -> None:
    """Publish ``ok`` from the event loop's thread."""
    with _noted():
        put(ok)
