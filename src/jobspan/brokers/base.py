"""What a broker knows of its queues and workers, and the one question that every broker answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from jobspan.jobs import Broker, Framework


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue at one moment. None: this broker does not report it; never an invented 0.

    Attributes:
        framework: whose queue it is.
        name: as the application calls it.
        ready: jobs that a worker could take now.
        delayed: jobs whose time has not come.
        unacked: jobs that a worker has, running or prefetched, and has not acknowledged. Celery acknowledges a job
            when it begins, unless it acknowledges late.
        dead: jobs in the dead-letter store.
        oldest_s: how long the job that is next has been ready to run, in seconds; None also where none waits.
        workers: workers that take jobs from it.
    """

    framework: Framework
    name: str
    ready: int | None = None
    delayed: int | None = None
    unacked: int | None = None
    dead: int | None = None
    oldest_s: float | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker that is online. None: not known.

    Attributes:
        framework: its library.
        name: Celery's node name; Dramatiq's broker id of the process on Redis, its connection on RabbitMQ.
        queues: those that it takes jobs from; with Dramatiq on Redis those that it holds jobs of.
        concurrency: how many jobs it runs at once.
    """

    framework: Framework
    name: str
    queues: tuple[str, ...] | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class BrokerState:
    """One look at a broker.

    Attributes:
        broker: which one.
        queues: by framework and name.
        workers: those online; None: not known.
        notes: what is not known and why, a sentence each.
    """

    broker: Broker
    queues: tuple[QueueState, ...] = ()
    workers: tuple[WorkerState, ...] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What one framework's share of a broker is: the fields of ``BrokerState``."""

    queues: tuple[QueueState, ...] = ()
    workers: tuple[WorkerState, ...] | None = ()
    notes: tuple[str, ...] = ()


def whole(broker: Broker, parts: Iterable[Part]) -> BrokerState:
    """Put the parts together; workers are known where every part knows them."""
    parts = list(parts)
    workers = [part.workers for part in parts]
    return BrokerState(
        broker,
        tuple(sorted((queue for part in parts for queue in part.queues), key=lambda q: (q.name, q.framework))),
        None if None in workers else tuple(worker for some in workers for worker in some or ()),
        tuple(note for part in parts for note in part.notes),
    )


class BrokerReader(Protocol):
    """Reads one broker: never consumes, acknowledges or moves a job. Not for several threads at once."""

    @property
    def broker(self) -> Broker:
        """Its system and address, never its password."""
        ...

    def look(self) -> BrokerState:
        """Return what it knows now.

        Raises:
            BrokerError: it cannot be reached or does not answer as expected.
            MissingExtra: a client package is not installed.
        """
        ...

    def close(self) -> None:
        """Close connections."""
        ...
