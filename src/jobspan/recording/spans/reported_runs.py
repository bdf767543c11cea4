"""Run spans told whole, from outside: of runs whose process could not, and of jobs that never ran."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from jobspan import conventions as c
from jobspan.events import JobDropped, RunLost, RunStarted
from jobspan.recording.attributes import job_attributes
from jobspan.recording.context import lineage, links, propagation
from jobspan.recording.context.propagation import Incoming
from jobspan.recording.telemetry.instruments import Instruments, say_once_that_nothing_records
from jobspan.recording.telemetry.span_status import set_status


class ReportedRuns:
    """Writes run spans from one event each, begun and ended at once, never current."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def lost(self, event: RunLost) -> None:
        """Write the run that another process began."""
        began = RunStarted(
            key=None,
            job=event.job,
            broker=event.broker,
            carrier=event.carrier,
            worker=event.worker,
            at_ns=event.started_ns,
            function=event.function,
            received_ns=event.received_ns,
            options=event.options,
        )
        incoming = propagation.read(event.carrier, Context())
        self._instruments.metrics.lost(event, lineage.as_published(event.job, incoming.field))
        span = self._start(began, incoming)
        if span is None:
            return
        if event.pid is not None:
            span.set_attribute(c.PROCESS_PID, event.pid)
        self._end(span, event)

    def dropped(self, event: JobDropped) -> None:
        """Write a run of no length: it has no costs, and only the waits that it had."""
        began = RunStarted(
            key=None,
            job=event.job,
            broker=event.broker,
            carrier=event.carrier,
            worker=event.worker,
            at_ns=event.at_ns,
            options=event.options,
        )
        incoming = propagation.read(event.carrier, Context())
        self._instruments.metrics.dropped(event, lineage.as_published(event.job, incoming.field))
        span = self._start(began, incoming)
        if span is None:
            return
        if event.dead_lettered is not None:
            span.set_attribute(c.JOBSPAN_JOB_DEAD_LETTERED, event.dead_lettered)
        self._end(span, event, event.error_type)

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

    def _end(self, span: Span, event: RunLost | JobDropped, error_type: str | None = None) -> None:
        if not span.get_span_context().is_valid:
            say_once_that_nothing_records()
            return
        if span.is_recording():
            said: dict[str, Any] = {c.JOBSPAN_JOB_OUTCOME: event.outcome.value, c.JOBSPAN_JOB_FINAL: event.final}
            span.set_attributes(said)
            text = self._instruments.exception_text(event.error) if event.error is not None else None
            set_status(span, self._instruments, event.outcome, text, event.at_ns, error_type)
        span.end(event.at_ns)
