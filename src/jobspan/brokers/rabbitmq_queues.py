"""Whose queues those of a virtual host are, and what their counts mean to each framework."""

from __future__ import annotations

import time
from collections.abc import Mapping

from jobspan.brokers.base import QueueState
from jobspan.jobs import Framework
from jobspan.named_tuple import NamedTuple

_DELAYED, _DEAD = ".DQ", ".XQ"
_PIDBOX = ".celery.pidbox"
_CELERYS_OWN = ("celeryev.", "celery_delayed_")
_CELERYS_EXCHANGES = frozenset({"celery.pidbox", "celeryev"})


class Queue(NamedTuple):
    """A queue as RabbitMQ counts it; None: it did not say."""

    name: str
    ready: int | None = None
    unacked: int | None = None
    consumers: int | None = None
    head_at_s: float | None = None
    """Timestamp of the next message, Unix seconds, where its publisher set one."""

    is_private: bool = False
    """Exclusive to a connection, or server-named: no job queue."""


def dramatiq_queues(queues: Mapping[str, Queue]) -> tuple[QueueState, ...]:
    """Return Dramatiq's queues: those with a delay queue beside them, ``{name}.DQ``, and a dead letter queue."""
    return tuple(
        _dramatiq_state(queue, queues[queue.name + _DELAYED], queues.get(queue.name + _DEAD, Queue("")))
        for queue in queues.values()
        if queue.name + _DELAYED in queues
    )


def celery_queues(
    queues: Mapping[str, Queue], exchanges: frozenset[str], named: tuple[str, ...], *, all_are_celerys: bool
) -> tuple[QueueState, ...]:
    """Return Celery's queues.

    Args:
        queues: all of the virtual host.
        exchanges: names of its exchanges. Celery declares one of the queue's name by default.
        named: queues that are Celery's in any case, where they are not Dramatiq's.
        all_are_celerys: so are all that are not Dramatiq's.
    """
    everything = all_are_celerys or bool(exchanges & _CELERYS_EXCHANGES)
    return tuple(
        QueueState(
            Framework.CELERY,
            queue.name,
            ready=queue.ready,
            unacked=queue.unacked,
            oldest_s=_head_age_s(queue),
            workers=queue.consumers,
        )
        for queue in queues.values()
        if not _is_dramatiqs(queue.name, queues)
        and not _is_celerys_own(queue)
        and (everything or queue.name in named or queue.name in exchanges)
    )


def listeners(queues: Mapping[str, Queue]) -> int:
    """Return how many Celery workers listen for questions."""
    return sum(name.endswith(_PIDBOX) and not name.endswith(f".reply{_PIDBOX}") for name in queues)


def _dramatiq_state(queue: Queue, delayed: Queue, dead: Queue) -> QueueState:
    return QueueState(
        Framework.DRAMATIQ,
        queue.name,
        ready=queue.ready,
        # Workers take delayed messages at once and hold them until they are due.
        delayed=_sum(delayed),
        unacked=queue.unacked,
        # No worker takes from the dead letter queue: what is ready there is all of it.
        dead=dead.ready,
        oldest_s=_head_age_s(queue),
        workers=queue.consumers,
    )


def _is_dramatiqs(name: str, queues: Mapping[str, Queue]) -> bool:
    stem = name[: -len(_DELAYED)] if name.endswith((_DELAYED, _DEAD)) else name
    return stem + _DELAYED in queues


def _is_celerys_own(queue: Queue) -> bool:
    return queue.is_private or queue.name.endswith(_PIDBOX) or queue.name.startswith(_CELERYS_OWN)


def _sum(queue: Queue) -> int | None:
    return None if queue.ready is None or queue.unacked is None else queue.ready + queue.unacked


def _head_age_s(queue: Queue) -> float | None:
    return None if queue.head_at_s is None or not queue.ready else max(time.time() - queue.head_at_s, 0.0)
