"""Run spans from one event each: of runs whose own process cannot report them, and of jobs that never ran."""

from __future__ import annotations

from functools import partial
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from jobspan import conventions as c
from jobspan.events import JobDropped, RunFinished, RunLost, RunStarted
from jobspan.recording.attributes import job_attributes, run_end_attributes
from jobspan.recording.context import lineage, links, propagation
from jobspan.recording.context.propagation import Incoming
from jobspan.recording.telemetry import run_end, series
from jobspan.recording.telemetry.instruments import Instruments, say_once_that_nothing_records


class ReportedRuns:
    """Writes run spans from one event each, begun and ended at once, never current."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def lost(self, event: RunLost) -> None:
        """Write the run that another process began."""
        began = _began(event, event.started_ns)._replace(function=event.function, received_ns=event.received_ns)
        end = RunFinished(None, event.outcome, event.final, event.at_ns, event.error)
        attributes: dict[str, Any] = {} if event.pid is None else {c.PROCESS_PID: event.pid}
        self._report(began, end, attributes, is_known=True)

    def dropped(self, event: JobDropped) -> None:
        """Write a run of no length: it has no costs, and only the waits that it had."""
        end = RunFinished(
            None,
            event.outcome,
            event.final,
            event.at_ns,
            event.error,
            dead_lettered=event.dead_lettered,
            error_type=event.error_type,
            has_run=False,
        )
        attributes: dict[str, Any] = {}
        if event.dead_lettered is not None:
            attributes[c.JOBSPAN_JOB_DEAD_LETTERED] = event.dead_lettered
        self._report(_began(event, event.at_ns), end, attributes, is_known=event.is_known)

    def _report(self, began: RunStarted, end: RunFinished, attributes: dict[str, Any], *, is_known: bool) -> None:
        incoming = propagation.read(began.carrier, Context())
        job = lineage.as_published(began.job, incoming.field)
        name = job.name if is_known else None
        self._instruments.metrics.run_reported(
            end, partial(series.job_attributes, job.framework.value, name, job.queue)
        )
        span = self._start(began, incoming)
        if span is None:
            return
        if not span.get_span_context().is_valid:
            say_once_that_nothing_records()
            return
        if span.is_recording():
            run_end.describe(span, end, self._instruments, attributes | run_end_attributes.outcome_of(end))
        span.end(end.at_ns)

    def _start(self, began: RunStarted, incoming: Incoming) -> Span | None:
        wanted = self._instruments.options.for_run(began, incoming.field)
        if not self._instruments.options.is_traced(wanted, began.job.name):
            return None
        kind = self._instruments.options.relation(wanted)
        return self._instruments.tracer.start_span(
            job_attributes.span_name(c.OPERATION_RUN, began.job.name),
            context=links.parent_of(incoming, kind),
            kind=SpanKind.CONSUMER,
            attributes=job_attributes.of_run(began, incoming.field),
            links=links.links_of(incoming, kind),
            start_time=began.at_ns,
        )


def _began(event: RunLost | JobDropped, at_ns: int) -> RunStarted:
    return RunStarted(None, event.job, event.broker, event.carrier, event.worker, at_ns, options=event.options)
