"""The points of each of the monitor's metrics: what is not known has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from jobspan import conventions as c
from jobspan.brokers.base import QueueState
from jobspan.health.check import Health
from jobspan.health.findings import Grade, grade_of
from jobspan.jobs import Broker

Attributes = dict[str, str | int]
Point = tuple[float, Attributes]


def depths(broker: Broker, health: Health) -> Iterator[Point]:
    """Yield jobs by queue and state."""
    for queue in _queues(health):
        counts = {
            c.QUEUE_READY: queue.ready,
            c.QUEUE_DELAYED: queue.delayed,
            c.QUEUE_UNACKED: queue.unacked,
            c.QUEUE_DEAD: queue.dead,
        }
        for state, count in counts.items():
            if count is not None:
                yield count, _attributes(broker, queue) | {c.JOBSPAN_QUEUE_STATE: state}


def oldest_ages(broker: Broker, health: Health) -> Iterator[Point]:
    """Yield the wait of each queue's next job; 0 where none is ready."""
    for queue in _queues(health):
        age_s = 0.0 if queue.ready == 0 else queue.oldest_s
        if age_s is not None:
            yield age_s, _attributes(broker, queue)


def workers(broker: Broker, health: Health) -> Iterator[Point]:
    """Yield workers by queue."""
    for queue in _queues(health):
        if queue.workers is not None:
            yield queue.workers, _attributes(broker, queue)


def grades(broker: Broker, health: Health) -> Iterator[Point]:
    """Yield the grade of the whole, and of each queue."""
    yield int(health.grade), _of_broker(broker)
    for queue in _queues(health):
        yield int(_grade(queue, health)), _attributes(broker, queue)


POINTS: Mapping[str, Callable[[Broker, Health], Iterator[Point]]] = MappingProxyType(
    {
        c.METRIC_QUEUE_DEPTH: depths,
        c.METRIC_QUEUE_OLDEST_AGE: oldest_ages,
        c.METRIC_QUEUE_HEALTH: grades,
        c.METRIC_WORKERS: workers,
    }
)


def _queues(health: Health) -> tuple[QueueState, ...]:
    return health.state.queues if health.state else ()


def _grade(queue: QueueState, health: Health) -> Grade:
    found = (finding for finding in health.findings if finding.queue == queue.name)
    return grade_of(finding for finding in found if finding.framework == queue.framework)


def _attributes(broker: Broker, queue: QueueState) -> Attributes:
    return _of_broker(broker) | {
        c.MESSAGING_DESTINATION_NAME: queue.name,
        c.JOBSPAN_FRAMEWORK: queue.framework.value,
    }


def _of_broker(broker: Broker) -> Attributes:
    known = {c.MESSAGING_SYSTEM: broker.system, c.SERVER_ADDRESS: broker.address, c.SERVER_PORT: broker.port}
    return {name: value for name, value in known.items() if value is not None}
