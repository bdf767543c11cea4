"""What the consumer threads of a worker know: when a message came, that one cannot be read, that one is handed over."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from dramatiq.common import q_name
from dramatiq.errors import DecodeError
from dramatiq.message import Message

from jobspan import conventions as c
from jobspan.events import Sink
from jobspan.instrumentors.dramatiq.mapping import broker_of, carrier_of, options_of, worker_name
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches
from jobspan.instrumentors.task_library.dropped_job import dropped_job
from jobspan.jobs import Framework, Job

RECEIVED = "_jobspan_received_ns"

_consuming: ContextVar[Any] = ContextVar("jobspan_dramatiq_consumer", default=None)
handing_over: ContextVar[bool] = ContextVar("jobspan_dramatiq_hand_over", default=False)
"""Whether a consumer moves delayed messages, whose time has come, from the delay queue to their queue.

That is the second half of publishes that were recorded when the application enqueued them.
"""


def install(sink: Sink, patches: Patches) -> None:
    """Wrap the consumer threads' three steps, and the reading of a message."""
    from dramatiq import worker

    consumer = getattr(worker, "ConsumerThread", None) or worker._ConsumerThread  # noqa: SLF001 - its name before 2.0
    patches.wrap(consumer, "run", _run)
    patches.wrap(consumer, "handle_message", _handle_message)
    patches.wrap(consumer, "handle_delayed_messages", _hand_over)
    patches.wrap(Message, "decode", Consumers(sink).decode)


class Consumers:
    """Reports messages that the consumer threads cannot read to the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def decode(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``Message.decode``."""
        try:
            return wrapped(*args, **kwargs)
        except DecodeError as error:
            consumer = _consuming.get()
            if consumer is not None:
                self._undecodable(consumer, error)
            raise

    @guarded
    def _undecodable(self, consumer: Any, error: DecodeError) -> None:
        broker = broker_of(consumer.broker)
        found = _readable_part(error.data)
        name = _text(found, "actor_name")
        dropped = dropped_job(
            Job(Framework.DRAMATIQ, q_name(consumer.queue_name), name, _text(found, "message_id")),
            broker,
            carrier_of(found.get("options")),
            worker_name(),
            error=error.error,
            error_type=c.ERROR_UNDECODABLE,
            # RabbitMQ's consumer dead-letters it; others leave it where it is.
            dead_lettered=True if broker.system == c.SYSTEM_RABBITMQ else None,
            options=options_of(consumer.broker, name),
            is_known=name in consumer.broker.actors,
        )
        self._sink(dropped)


def _run(wrapped: Callable[..., Any], consumer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = _consuming.set(consumer)
    try:
        return wrapped(*args, **kwargs)
    finally:
        _consuming.reset(token)


def _handle_message(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Note the time on the message; a message that takes no attributes goes without."""
    if args:
        with contextlib.suppress(AttributeError, TypeError):
            setattr(args[0], RECEIVED, time.time_ns())
    return wrapped(*args, **kwargs)


def _hand_over(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    token = handing_over.set(True)
    try:
        return wrapped(*args, **kwargs)
    finally:
        handing_over.reset(token)


def _readable_part(data: Any) -> dict[str, Any]:
    """Return what can be read of a message all the same: often it is JSON of another shape."""
    try:
        found = json.loads(data)
    except (TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: dict[str, Any], key: str) -> str | None:
    value = found.get(key)
    return value if isinstance(value, str) else None
