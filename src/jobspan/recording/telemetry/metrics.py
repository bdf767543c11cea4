"""Events → metrics: durations, waits and costs of what this process does, and counts of what it has seen end.

Measured whether or not a span is sampled. Nothing is done, and no instrument made, while no reader collects.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.metrics import CallbackT, Meter, NoOpMeter
from opentelemetry.trace import Span

from jobspan import conventions as c
from jobspan import forks
from jobspan.events import PublishStarted, RunFinished, RunStarted
from jobspan.jobs import Outcome
from jobspan.recording.context.otel_context import inside
from jobspan.recording.sdk.inherited_values import forget_values, has_exporter
from jobspan.recording.telemetry import active_runs, process_counts
from jobspan.recording.telemetry.series import Series, limit_error_type, series_of

_ROWS = {row.name: row for row in c.METRICS}
_NOWHERE = Context()
_all: weakref.WeakSet[Metrics] = weakref.WeakSet()


class Metrics:
    """The instruments of one recorder. Attribute sets are prepared once a job (``Series``)."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._instruments: _Instruments | None = None
        _all.add(self)
        for metric in process_counts.COUNTED:
            row = _ROWS[metric]
            meter.create_observable_counter(metric, [process_counts.observer(metric)], row.unit, row.meaning)
        row = _ROWS[c.METRIC_JOB_ACTIVE]
        callbacks: list[CallbackT] = [active_runs.observations]
        meter.create_observable_up_down_counter(row.name, callbacks, row.unit, row.meaning)

    @property
    def is_on(self) -> bool:
        """Say whether a reader collects; the provider may be set after the recorder is made."""
        return self._instruments is not None or self._are_found()

    def report_children(self, open_spans: Callable[[], Iterable[Any]]) -> None:
        """Report the runs among the open spans of the processes that this one watches, if a reader collects."""
        if self.is_on:
            active_runs.report_children(open_spans)

    def of_publish(self, event: PublishStarted) -> Series | None:
        """Return where a publish is measured; None when no reader collects."""
        if self._instruments is None and not self._are_found():
            return None
        return series_of(event.job, event.broker, is_known=event.is_known)

    def of_run(self, event: RunStarted, queue: str) -> Series | None:
        """Return where a run from this queue is measured; None when no reader collects."""
        if self._instruments is None and not self._are_found():
            return None
        job = event.job if event.job.queue == queue else event.job._replace(queue=queue)
        # Whoever runs a job has its function.
        return series_of(job, event.broker, is_known=event.function is not None)

    def published(self, series: Series, span: Span, seconds: float, error_type: str | None) -> None:
        """Measure a publish that has ended."""
        if self._instruments is not None:
            attributes = series.publish(limit_error_type(error_type))
            self._instruments.publish.record(max(0.0, seconds), attributes, _inside(span))

    def waited(self, series: Series, span: Span, attributes: dict[str, Any]) -> None:
        """Measure the waits of a run that begins."""
        if self._instruments is None:
            return
        scheduled = attributes.get(c.JOBSPAN_JOB_WAIT_SCHEDULED)
        queued = attributes.get(c.JOBSPAN_JOB_WAIT_QUEUED)
        if scheduled or queued:
            inside = _inside(span)
            if scheduled:
                self._instruments.wait.record(scheduled, series.waits[c.WAIT_SCHEDULED], inside)
            if queued:
                self._instruments.wait.record(queued, series.waits[c.WAIT_QUEUED], inside)

    def run_ended(
        self, end: RunFinished, series: Series, span: Span, seconds: float, costs: dict[str, Any], error: str | None
    ) -> None:
        """Measure a run of this process. ``costs`` as its span has them; ``error`` is the span's ``error.type``."""
        made = self._instruments
        if made is None:
            return
        error, inside = limit_error_type(error), _inside(span)
        if end.has_run:
            made.run.record(max(0.0, seconds), series.end(end.outcome, end.final, error), inside)
            prefetched, cpu_s = costs.get(c.JOBSPAN_JOB_WAIT_PREFETCHED), costs.get(c.JOBSPAN_JOB_CPU_TIME)
            if prefetched:
                made.wait.record(prefetched, series.waits[c.WAIT_PREFETCHED], inside)
            if cpu_s is not None:
                made.cpu.record(cpu_s, series.job, inside)
            peak = costs.get(c.JOBSPAN_JOB_MEMORY_PEAK)
            if peak is not None:
                made.memory.record(peak, series.memory(costs[c.JOBSPAN_JOB_MEMORY_SOURCE]), inside)
        else:
            _count(end, series.job, None)
        if end.outcome is Outcome.RETRIED or (end.outcome is Outcome.TIMED_OUT and not end.final):
            made.retries.add(1, series.failure(error), inside)
        if end.dead_lettered:
            made.dead_letters.add(1, series.failure(error), inside)

    def run_reported(self, end: RunFinished, job: Callable[[], dict[str, Any]], reason: str | None = None) -> None:
        """Count a run that its own process did not measure: cut off with that process, or dropped before it began.

        Args:
            end: how it ended. A dead letter is counted by the worker process that put it there.
            job: makes the job's attributes; called only when a reader collects, for their number is limited.
            reason: why the run was lost, where that is known.
        """
        if not self.is_on or self._instruments is None:
            return
        attributes = job()
        _count(end, attributes, reason)
        if end.dead_lettered:
            self._instruments.dead_letters.add(1, _with_error(attributes, end.error_type), _NOWHERE)

    def run_recovered(self, attributes: dict[str, Any], seconds: float) -> None:
        """Measure a run that came to its own end in a process which could not report it, by its span's attributes."""
        if self.is_on and self._instruments is not None:
            names = _ROWS[c.METRIC_PROCESS_DURATION].attributes
            found = {name: attributes[name] for name in names if name in attributes} | active_runs.of_record(attributes)
            error = limit_error_type(found.get(c.ERROR_TYPE))
            self._instruments.run.record(max(0.0, seconds), _with_error(found, error), _NOWHERE)

    def command_ended(self, name: str, span: Span, seconds: float, exit_code: int | None) -> None:
        """Measure a command. ``exit_code``: None when it is not known."""
        if self.is_on and self._instruments is not None:
            attributes: dict[str, Any] = {c.JOBSPAN_COMMAND_NAME: name}
            if exit_code is not None:
                attributes[c.PROCESS_EXIT_CODE] = exit_code
            self._instruments.command.record(max(0.0, seconds), attributes, _inside(span))

    def _are_found(self) -> bool:
        meter = getattr(self._meter, "_real_meter", self._meter)
        if meter is None or isinstance(meter, NoOpMeter) or not has_exporter(meter):
            return False
        self._instruments = _Instruments(meter)
        return True

    def forget(self) -> None:
        """Drop what was measured before a fork: it is the parent's."""
        forget_values(getattr(self._meter, "_real_meter", self._meter))


class _Instruments:
    """The synchronous instruments, made when a reader collects."""

    __slots__ = ("command", "cpu", "dead_letters", "memory", "publish", "retries", "run", "wait")

    def __init__(self, meter: Meter) -> None:
        self.publish = _histogram(meter, c.METRIC_OPERATION_DURATION)
        self.run = _histogram(meter, c.METRIC_PROCESS_DURATION)
        self.wait = _histogram(meter, c.METRIC_JOB_WAIT)
        self.cpu = _histogram(meter, c.METRIC_JOB_CPU_TIME)
        self.memory = _histogram(meter, c.METRIC_JOB_MEMORY_PEAK)
        self.command = _histogram(meter, c.METRIC_COMMAND_DURATION)
        self.retries = _counter(meter, c.METRIC_JOB_RETRIES)
        self.dead_letters = _counter(meter, c.METRIC_JOB_DEAD_LETTERS)


def _histogram(meter: Meter, name: str) -> Any:
    row = _ROWS[name]
    return meter.create_histogram(name, row.unit, row.meaning, explicit_bucket_boundaries_advisory=list(row.boundaries))


def _counter(meter: Meter, name: str) -> Any:
    return meter.create_counter(name, _ROWS[name].unit, _ROWS[name].meaning)


def _count(end: RunFinished, job: dict[str, Any], reason: str | None) -> None:
    """Count a run that never began, or ended with its process."""
    outcome = {c.JOBSPAN_JOB_OUTCOME: end.outcome.value}
    if not end.has_run:
        process_counts.count(c.METRIC_JOB_DROPPED, {**job, **outcome})
        return
    attributes = {**job, c.JOBSPAN_JOB_FINAL: end.final}
    if end.outcome is not Outcome.LOST:
        process_counts.count(c.METRIC_JOB_CUT_OFF, {**attributes, **outcome})
    elif reason is None:
        process_counts.count(c.METRIC_JOB_LOST, attributes)
    else:
        process_counts.count(c.METRIC_JOB_LOST, {**attributes, c.JOBSPAN_JOB_LOST_REASON: reason})


def _inside(span: Span) -> Context:
    """Return a context from which an exemplar takes the span's ids, whatever is current."""
    return inside(span, _NOWHERE)


def _with_error(attributes: dict[str, Any], error_type: str | None) -> dict[str, Any]:
    return attributes if error_type is None else {**attributes, c.ERROR_TYPE: error_type}


def _forget() -> None:
    for metrics in list(_all):
        metrics.forget()


forks.join("metrics", in_child=_forget)
