"""By hand what jobspan measures of a job that succeeds where a meter provider is set: attributes made once a job."""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.trace import Span, set_span_in_context

from jobspan import conventions as c

_ROWS = {row.name: row for row in c.METRICS}


class _Sets:
    """The attributes of one job's measurements."""

    def __init__(self, framework: str, name: str, queue: str) -> None:
        self.job: dict[str, Any] = {
            c.JOBSPAN_JOB_NAME: name,
            c.MESSAGING_DESTINATION_NAME: queue,
            c.JOBSPAN_FRAMEWORK: framework,
        }
        messaging = {c.MESSAGING_SYSTEM: "memory", **self.job}
        self.publish = {**messaging, c.MESSAGING_OPERATION_NAME: "publish"}
        ended = {c.JOBSPAN_JOB_OUTCOME: "succeeded", c.JOBSPAN_JOB_FINAL: True}
        self.run = {**messaging, c.MESSAGING_OPERATION_NAME: "run", **ended}
        self.queued = {**self.job, c.JOBSPAN_WAIT_PHASE: c.WAIT_QUEUED}
        self.prefetched = {**self.job, c.JOBSPAN_WAIT_PHASE: c.WAIT_PREFETCHED}
        self.memory = {**self.job, c.JOBSPAN_JOB_MEMORY_SOURCE: "exact"}


class FloorMetrics:
    """Measures publishes and runs; does nothing where nobody collects."""

    def __init__(self, framework: str) -> None:
        self._framework = framework
        self._sets: dict[tuple[str, str], _Sets] = {}
        meter = metrics.get_meter(c.SCOPE)
        self._is_on = isinstance(metrics.get_meter_provider(), MeterProvider)
        names = (
            c.METRIC_OPERATION_DURATION,
            c.METRIC_PROCESS_DURATION,
            c.METRIC_JOB_WAIT,
            c.METRIC_JOB_CPU_TIME,
            c.METRIC_JOB_MEMORY_PEAK,
        )
        self._publish, self._run, self._wait, self._cpu, self._memory = (_histogram(meter, name) for name in names)

    def published(self, span: Span, name: str, queue: str, seconds: float) -> None:
        """Measure a publish."""
        if self._is_on:
            self._publish.record(seconds, self._of(name, queue).publish, _inside(span))

    def waited(self, span: Span, name: str, queue: str, seconds: float) -> None:
        """Measure the wait in the broker."""
        if self._is_on:
            self._wait.record(seconds, self._of(name, queue).queued, _inside(span))

    def ran(self, span: Span, name: str, queue: str, seconds: float, prefetched: float, cpu: float, peak: int) -> None:
        """Measure a run."""
        if self._is_on:
            sets, inside = self._of(name, queue), _inside(span)
            self._run.record(seconds, sets.run, inside)
            self._wait.record(prefetched, sets.prefetched, inside)
            self._cpu.record(cpu, sets.job, inside)
            self._memory.record(peak, sets.memory, inside)

    def _of(self, name: str, queue: str) -> _Sets:
        found = self._sets.get((name, queue))
        if found is None:
            found = self._sets[name, queue] = _Sets(self._framework, name, queue)
        return found


def _histogram(meter: Any, name: str) -> Any:
    row = _ROWS[name]
    return meter.create_histogram(name, row.unit, row.meaning, explicit_bucket_boundaries_advisory=list(row.boundaries))


def _inside(span: Span) -> Context:
    return set_span_in_context(span, Context())
