"""Run events → run spans: one attempt of one job, linked to its publish, with outcome, waits and costs."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any, Literal

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanKind,
)

from jobspan import conventions as c
from jobspan.events import RunAbandoned, RunByPattern, RunFinished, RunStarted
from jobspan.job_options import NESTED, JobOptions
from jobspan.named_tuple import NamedTuple
from jobspan.patterns import whole
from jobspan.probes.run_cost import RunCost
from jobspan.recording.attributes import job_attributes, run_end_attributes, run_start_attributes
from jobspan.recording.attributes.run_start_attributes import PreparedRun
from jobspan.recording.context import lineage, links, message_field, propagation
from jobspan.recording.context.origin import ORIGIN
from jobspan.recording.context.otel_context import inside_with, with_value
from jobspan.recording.context.propagation import Incoming
from jobspan.recording.context.run_origin import PendingRun, as_called
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.registry.open_spans import OpenSpans
from jobspan.recording.safety.interrupts import is_interrupt
from jobspan.recording.sdk.span_start import SpanStart
from jobspan.recording.spans import publish_batches, redelivery
from jobspan.recording.spans.redelivery import MissingLostRun
from jobspan.recording.telemetry import active_runs, run_end
from jobspan.recording.telemetry.instruments import Instruments, call_hook, say_once_that_nothing_records
from jobspan.recording.telemetry.series import Series


class _OpenRun(NamedTuple):
    span: Span
    outside: Context
    started_ns: int
    prefetched_s: float | None
    cost: RunCost
    series: Series | None = None
    missing: MissingLostRun | None = None


_NOT_DESCRIBED: SpanStart = {}, (), None


class RunSpans:
    """Writes run spans: current while the job runs, so that the job's own spans and publishes hang beneath."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._open: OpenSpans[_OpenRun] = OpenSpans()
        active_runs.report(self._open)

    def started(self, event: RunStarted) -> None:
        """Open the span as the message's relation says, and make it current."""
        if self._open.get(event.key) is not None:
            return
        outside = otel_context.get_current()
        incoming = propagation.read(event.carrier, outside if event.eager else Context())
        self._started(event, outside, as_called(incoming) if event.eager else incoming)

    def started_by_pattern(self, event: RunByPattern) -> None:
        """Do the same with what is worked out once for all runs of a pattern, unless there is more to this one."""
        if self._open.get(event.key) is not None:
            return
        _, job, _, at_ns, _, _ = event
        prepared: PreparedRun | Literal[False] | None = job.pattern.prepared
        if prepared is None:
            prepared = job.pattern.prepare(run_start_attributes.prepare, self._instruments.options)
        if not prepared or not self._instruments.has_sdk:
            self.started(event.whole())
            return
        outside, example = otel_context.get_current(), job.pattern.example
        incoming = propagation.read(event.carrier, Context())
        if not message_field.is_simple(incoming.field):
            self._started(event.whole(), outside, incoming)
            return
        series = self._instruments.metrics.of_run(example, example.job.queue)
        lost = redelivery.find_lost_run(example, job.id) if example.is_safe else None
        describe = partial(run_start_attributes.of_run_by_pattern, prepared.attributes, event, incoming, outside, lost)
        tracer, start_span = self._instruments.tracer, self._instruments.span_starter.start_span
        span, started = start_span(
            tracer, prepared.name, incoming.context, SpanKind.CONSUMER, at_ns, describe, is_described=series is not None
        )
        if span.get_span_context().is_valid:
            self._begin(event, example, span, started, incoming, NESTED, example.options, outside, series, None)
        else:
            self._started(event.whole(), outside, incoming)

    def _started(self, event: RunStarted, outside: Context, incoming: Incoming) -> None:
        wanted = self._instruments.options.for_run(event, incoming.field)
        kind = self._instruments.options.relation(wanted)
        context = links.parent_of(incoming, kind, eager=event.eager)
        job = lineage.as_published(event.job, incoming.field)
        series = self._instruments.metrics.of_run(event, job.queue)
        if not self._instruments.options.is_traced(wanted, job.name):
            origin = PendingRun(event.job, incoming, kind, event.at_ns, INVALID_SPAN, event.eager)
            self._pass_on(event, outside, origin, context, series)
            return
        lost = redelivery.find_lost_run(event, event.job.id)
        describe = partial(run_start_attributes.of_run, event, incoming, job, wanted, kind, outside, lost)
        name = job_attributes.span_name(c.OPERATION_RUN, job.name)
        tracer, start_span = self._instruments.tracer, self._instruments.span_starter.start_span
        span, started = start_span(
            tracer, name, context, SpanKind.CONSUMER, event.at_ns, describe, is_described=series is not None
        )
        if not span.get_span_context().is_valid:
            say_once_that_nothing_records()
            origin = PendingRun(event.job, incoming, kind, event.at_ns, INVALID_SPAN, event.eager)
            self._pass_on(event, outside, origin, incoming.context, series)
            return
        missing = redelivery.missing(event, lost, kind)
        self._begin(event, event, span, started, incoming, kind, wanted, outside, series, missing)

    def _begin(
        self,
        event: RunStarted | RunByPattern,
        example: RunStarted,
        span: Span,
        started: SpanStart | None,
        incoming: Incoming,
        kind: str,
        wanted: JobOptions,
        outside: Context,
        series: Series | None,
        missing: MissingLostRun | None,
    ) -> None:
        """Make a span that has just been started current, and measure from now on.

        ``example`` is the event, or one that is the same but for ids and times.
        """
        attributes, _, prefetched_s = started or _NOT_DESCRIBED
        run = _OpenRun(span, outside, event.at_ns, prefetched_s, RunCost(), series, missing)
        origin = PendingRun(event.job, incoming, kind, event.at_ns, span, example.eager)
        inside = inside_with(span, incoming.context, ORIGIN, origin)
        # Remembered before it is current: an exception of another thread may land between any two lines.
        self._open.add(event.key, run)
        run.cost.begin()
        otel_context.attach(inside)
        if series is not None:
            self._instruments.metrics.waited(series, span, attributes)
        is_recorded = span.is_recording()
        if is_recorded or series is not None:
            self._measure(run.cost, example, wanted)
        if is_recorded:
            self._begun(run, event, example, attributes)

    def _begun(
        self, run: _OpenRun, event: RunStarted | RunByPattern, example: RunStarted, attributes: dict[str, Any]
    ) -> None:
        """Keep a run that has just begun on record, and report it to the user's hook and the log."""
        if example.eager:
            flight_log.exclude(run.span)
        elif flight_log.is_on:
            flight_log.record_open(
                run.span, run_end_attributes.reported_at_the_end(run.cost, run.prefetched_s), is_safe=example.is_safe
            )
            if flight_log.name is not None:
                run.cost.measure_each_second()
        if self._instruments.run_hook is not None:
            call_hook(self._instruments.run_hook, run.span, whole(event.job))
        self._instruments.logs.started(c.EVENT_JOB_STARTED, run.span, attributes, event.at_ns)

    def _pass_on(
        self, event: RunStarted, outside: Context, origin: PendingRun, context: Context, series: Series | None
    ) -> None:
        """Run a job in its caller's context, without a span of its own."""
        inside = with_value(context, ORIGIN, origin)
        # It counts among the runs that are open, and so in the concurrency of those beside it.
        run = _OpenRun(INVALID_SPAN, outside, event.at_ns, None, RunCost(), series)
        self._open.add(event.key, run)
        run.cost.begin()
        otel_context.attach(inside)

    def _measure(self, cost: RunCost, event: RunStarted, wanted: JobOptions) -> None:
        cost.measure_cpu(event.cpu)
        mode = self._instruments.settings.memory
        if mode != "off" and wanted.memory is not False:
            cost.measure_memory(may_reset=mode == "exact", limit_bytes=event.memory_limit_bytes)

    def finished(self, event: RunFinished) -> None:
        """Write outcome, costs and exception, and end the span."""
        run = self._open.get(event.key)
        if run is None:
            return
        try:
            publish_batches.end_batches_of(run.span)
            is_recorded = run.span.is_recording()
            is_wanted = event.has_run and (is_recorded or run.series is not None)
            costs = run_end_attributes.of_costs(run.cost, run.prefetched_s) if is_wanted else {}
            if run.series is not None:
                self._measured(run, run.series, event, costs)
            if is_recorded:
                self._write(run, event, costs)
        except Exception as error:
            if not is_interrupt(error):
                self._forget(event.key, run)
            raise
        finally:
            otel_context.attach(run.outside)
        self._forget(event.key, run)

    def _forget(self, key: Hashable, run: _OpenRun) -> None:
        run.cost.end()
        flight_log.clear(run.span)
        self._open.take(key)

    def _measured(self, run: _OpenRun, series: Series, event: RunFinished, costs: dict[str, Any]) -> None:
        # Once, also when an interrupt lands here and the end is reported again.
        self._open.add(event.key, run._replace(series=None))
        error = run_end.error_type_of(event, self._instruments)
        self._instruments.metrics.run_ended(event, series, run.span, (event.at_ns - run.started_ns) / 1e9, costs, error)

    def _write(self, run: _OpenRun, event: RunFinished, costs: dict[str, Any]) -> None:
        end = event if event.has_run else event._replace(at_ns=run.started_ns)
        try:
            if run.missing is not None:
                redelivery.link_if_found(run.span, run.missing)
            run_end.describe(run.span, end, self._instruments, run_end_attributes.of_end(end, costs))
            flight_log.record_finished(run.span, end.at_ns)
        except Exception as error:
            # What is known is exported; only an interrupt leaves the span open, and is followed by a second attempt.
            if not is_interrupt(error):
                run.span.end(end.at_ns)
            raise
        run.span.end(end.at_ns)

    def abandoned(self, event: RunAbandoned) -> None:
        """Forget the span: it never ends here, so it is never exported."""
        run = self._open.take(event.key)
        if run is None:
            return
        try:
            if event.ended is not None and run.span.is_recording():
                costs = run_end_attributes.of_costs(run.cost, run.prefetched_s) if event.ended.has_run else {}
                if run.missing is not None:
                    redelivery.link_if_found(run.span, run.missing)
                attributes = run_end_attributes.of_end(event.ended, costs)
                run_end.describe(run.span, event.ended, self._instruments, attributes)
        finally:
            run.cost.end()
            flight_log.unwinding(run.span, event.ended.at_ns if event.ended is not None else None)
            otel_context.attach(run.outside)
