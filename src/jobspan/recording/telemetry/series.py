"""Which series a job is counted in: bounded names, and each attribute set made once."""

from __future__ import annotations

from typing import Any

from jobspan import conventions as c
from jobspan.jobs import Broker, Job, Outcome
from jobspan.recording.attributes.redaction import encodable

Attributes = dict[str, Any]
_MOST = 2048
_MOST_NAMES = 200


class CardinalityLimit:
    """Lets so many names through, the first that come, and calls all others by one name."""

    def __init__(self, others: str) -> None:
        self._others = others
        self._seen: set[str] = set()

    def of(self, name: str) -> str:
        """Return the name, or that of all others."""
        if name in self._seen:
            return name
        if len(self._seen) >= _MOST_NAMES:
            return self._others
        self._seen.add(name)
        return name


class Series:
    """The attributes of the measurements of one job on one queue."""

    __slots__ = ("_ends", "_failures", "_memory", "_publishes", "_system", "job", "waits")

    def __init__(self, job: Attributes, system: str) -> None:
        self.job = job
        phases = (c.WAIT_SCHEDULED, c.WAIT_QUEUED, c.WAIT_PREFETCHED)
        self.waits: dict[str, Attributes] = {phase: {**job, c.JOBSPAN_WAIT_PHASE: phase} for phase in phases}
        self._system = system
        self._publishes: dict[str | None, Attributes] = {}
        self._ends: dict[tuple[Outcome, bool, str | None], Attributes] = {}
        self._failures: dict[str | None, Attributes] = {}
        self._memory: dict[str, Attributes] = {}

    def publish(self, error_type: str | None) -> Attributes:
        """Return the attributes of a publish."""
        found = self._publishes.get(error_type)
        if found is None:
            found = self._publishes[error_type] = self._messaging(c.OPERATION_PUBLISH, error_type)
        return found

    def end(self, outcome: Outcome, final: bool, error_type: str | None) -> Attributes:
        """Return the attributes of a run that has ended."""
        key = outcome, final, error_type
        found = self._ends.get(key)
        if found is None:
            found = self._messaging(c.OPERATION_RUN, error_type)
            found[c.JOBSPAN_JOB_OUTCOME], found[c.JOBSPAN_JOB_FINAL] = outcome.value, final
            self._ends[key] = found
        return found

    def failure(self, error_type: str | None) -> Attributes:
        """Return the attributes of a retry or a dead letter."""
        found = self._failures.get(error_type)
        if found is None:
            found = self._failures[error_type] = _with_error(dict(self.job), error_type)
        return found

    def memory(self, source: str) -> Attributes:
        """Return the attributes of a peak."""
        found = self._memory.get(source)
        if found is None:
            found = self._memory[source] = {**self.job, c.JOBSPAN_JOB_MEMORY_SOURCE: source}
        return found

    def _messaging(self, operation: str, error_type: str | None) -> Attributes:
        attributes = {c.MESSAGING_SYSTEM: self._system, c.MESSAGING_OPERATION_NAME: operation, **self.job}
        return _with_error(attributes, error_type)


_series: dict[tuple[Any, ...], Series] = {}
_unknown_names, _queues, _error_types = (
    CardinalityLimit(c.OTHER_JOB),
    CardinalityLimit(c.OTHER_JOB),
    CardinalityLimit(c.ERROR_OTHER),
)


def series_of(job: Job, broker: Broker, *, is_known: bool) -> Series:
    """Return the series of a job.

    Args:
        is_known: this process has a job of that name. Names that come with messages of others are not bounded.
    """
    key = job.framework, job.name, job.queue, broker.system, is_known
    found = _series.get(key)
    if found is None:
        if len(_series) >= _MOST:
            _series.clear()
        name = job.name if is_known or job.name is None else _unknown_names.of(job.name)
        found = _series[key] = Series(job_attributes(job.framework.value, name, job.queue), broker.system)
    return found


def job_attributes(framework: str, name: str | None, queue: str) -> Attributes:
    """Return the attributes of every measurement of a job; None for a name that is not shown."""
    return {
        c.JOBSPAN_JOB_NAME: encodable(name) if name else c.OTHER_JOB,
        c.MESSAGING_DESTINATION_NAME: encodable(_queues.of(queue)),
        c.JOBSPAN_FRAMEWORK: framework,
    }


def limit_error_type(error_type: str | None) -> str | None:
    """Return an ``error.type``; past two hundred different ones ``_OTHER``, for classes may be made at run time."""
    return None if error_type is None else _error_types.of(error_type)


def _with_error(attributes: Attributes, error_type: str | None) -> Attributes:
    if error_type is not None:
        attributes[c.ERROR_TYPE] = error_type
    return attributes
