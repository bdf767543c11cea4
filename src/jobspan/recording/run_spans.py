"""Run events → run spans: one attempt of one job, linked to its publish, with outcome, waits and costs."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from typing import Any, NamedTuple

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    SpanContext,
    SpanKind,
    get_current_span,
    set_span_in_context,
)

from jobspan import conventions as c
from jobspan.events import RunAbandoned, RunFinished, RunStarted
from jobspan.job_options import JobOptions
from jobspan.jobs import Outcome
from jobspan.probes.run_cost import RunCost
from jobspan.recording import arguments, job_attributes, propagation, redelivery, relation, summaries
from jobspan.recording.exceptions import ExceptionText
from jobspan.recording.flight_log import flight_log
from jobspan.recording.instruments import Instruments, call_hook, say_once_that_nothing_records
from jobspan.recording.open_spans import OpenSpans
from jobspan.recording.origin import ORIGIN, Origin, origin_of
from jobspan.recording.propagation import Incoming
from jobspan.recording.redaction import redact
from jobspan.recording.redelivery import Untold
from jobspan.recording.status import set_status


class _OpenRun(NamedTuple):
    span: Span
    outside: Context
    started_ns: int
    prefetched_s: float | None
    cost: RunCost
    untold: Untold | None = None


class RunSpans:
    """Writes run spans: current while the job runs, so that the job's own spans and publishes hang beneath."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._open: OpenSpans[_OpenRun] = OpenSpans()

    def started(self, event: RunStarted) -> None:
        """Open the span as the message's relation says, and make it current."""
        if self._open.get(event.key) is not None:
            return
        outside = otel_context.get_current()
        base = outside if event.eager else Context()
        incoming = propagation.read(event.carrier, base)
        if event.eager:
            incoming = _called(incoming)
        wanted = self._instruments.wishes.of_run(event, incoming.field)
        kind = self._instruments.wishes.relation(wanted)
        context = relation.parent_of(incoming, kind, eager=event.eager)
        attributes = job_attributes.of_run(event, incoming.field)
        # Told when the job has run: one that never began has not waited for it.
        prefetched = attributes.pop(c.JOBSPAN_JOB_WAIT_PREFETCHED, None)
        lost = redelivery.lost_before(event, attributes)
        origin = _origin(event, incoming, kind, attributes)
        if not self._instruments.wishes.are_traced(wanted, event.job.name):
            self._pass_on(event, outside, origin, context)
            return
        if wanted.args:
            attributes.update(arguments.attributes_of(event.arguments))
        span = self._instruments.tracer.start_span(
            f"run {event.job.name or c.UNKNOWN_JOB}",
            context=context,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=relation.links_of(incoming, kind, _ambient(event), lost),
            start_time=event.at_ns,
        )
        if not span.get_span_context().is_valid:
            say_once_that_nothing_records()
            self._pass_on(event, outside, origin, incoming.context)
            return
        run = _OpenRun(span, outside, event.at_ns, prefetched, RunCost(), redelivery.untold(event, lost, kind))
        inside = set_span_in_context(span, incoming.context)
        inside = otel_context.set_value(ORIGIN, origin._replace(span=span.get_span_context(), run=span), inside)
        # Remembered before it is current: an exception of another thread may land between any two lines.
        self._open.add(event.key, run)
        run.cost.begin()
        otel_context.attach(inside)
        if span.is_recording():
            self._measure(run.cost, event, wanted)
            if not event.eager:
                flight_log.began(span, _told_at_the_end(run), is_safe=event.is_safe)
                if flight_log.name is not None:
                    run.cost.measure_each_second()
            call_hook(self._instruments.run_hook, span, event.job)
            self._instruments.logs.started(c.EVENT_JOB_STARTED, span, attributes, event.at_ns)

    def _pass_on(self, event: RunStarted, outside: Context, origin: Origin, context: Context) -> None:
        """Let a job run in its caller's context, without a span of its own."""
        inside = otel_context.set_value(ORIGIN, origin, context)
        # It counts among the runs that are open, and so in what is said of those beside it.
        run = _OpenRun(INVALID_SPAN, outside, event.at_ns, None, RunCost())
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
            summaries.end_those_of(run.span.get_span_context().span_id)
            if run.span.is_recording():
                self._write(run, event)
        except Exception:
            self._forget(event.key, run)
            raise
        finally:
            otel_context.attach(run.outside)
        self._forget(event.key, run)

    def _forget(self, key: Hashable, run: _OpenRun) -> None:
        run.cost.end()
        flight_log.closed(run.span)
        self._open.take(key)

    def _write(self, run: _OpenRun, event: RunFinished) -> None:
        at_ns = event.at_ns if event.has_run else run.started_ns
        try:
            self._describe(run, event, at_ns)
        except Exception:
            # What can be said is said; only an interrupt leaves the span open, and is followed by a second attempt.
            _end(run.span, at_ns)
            raise
        _end(run.span, at_ns)

    def _describe(self, run: _OpenRun, event: RunFinished, at_ns: int) -> None:
        if run.untold is not None:
            redelivery.link_late(run.span, run.untold)
        run.span.set_attributes(_said(event) | (_costs(run) if event.has_run else {}))
        text = self._instruments.exception_text(event.error) if event.error is not None else None
        set_status(
            run.span,
            self._instruments,
            event.outcome,
            text,
            at_ns,
            event.error_type,
            is_asked_for=event.is_asked_for,
        )
        if event.outcome is Outcome.RETRIED:
            self._set_reason(run.span, event, text)

    def _set_reason(self, span: Span, event: RunFinished, text: ExceptionText | None) -> None:
        """Say why another run follows: what the job said, else its exception."""
        if event.retry_reason is not None and self._instruments.settings.exception_message:
            span.set_attribute(c.JOBSPAN_JOB_RETRY_REASON, redact(event.retry_reason))
        elif text is not None:
            reason = f"{text.type}: {text.message}" if text.message else text.type
            span.set_attribute(c.JOBSPAN_JOB_RETRY_REASON, reason)

    def abandoned(self, event: RunAbandoned) -> None:
        """Forget the span: it never ends here, so it is never exported."""
        run = self._open.take(event.key)
        if run is None:
            return
        try:
            if event.ended is not None and run.span.is_recording():
                self._describe(run, event.ended, event.ended.at_ns)
        finally:
            run.cost.end()
            flight_log.unwinding(run.span, event.ended.at_ns if event.ended is not None else None)
            otel_context.attach(run.outside)


def _end(span: Span, at_ns: int) -> None:
    try:
        flight_log.finished(span, at_ns)
    except Exception:
        span.end(at_ns)
        raise
    span.end(at_ns)


def _origin(event: RunStarted, incoming: Incoming, kind: str, attributes: dict[str, Any]) -> Origin:
    """Return what causes what the run does, as yet without its span."""
    depth, trace_started_ns = _place(event, incoming, kind)
    scheduled_by = attributes.get(c.JOBSPAN_JOB_SCHEDULED_BY)
    return Origin(
        span=INVALID_SPAN.get_span_context(),
        command_id=incoming.field.command_id,
        command_name=incoming.field.command_name,
        job_id=event.job.id,
        parent_job_id=attributes.get(c.JOBSPAN_JOB_PARENT_ID),
        depth=depth,
        trace_started_ns=trace_started_ns,
        workflow_id=attributes.get(c.MESSAGING_CONVERSATION_ID),
        group_id=attributes.get(c.JOBSPAN_JOB_GROUP_ID),
        schedule=(scheduled_by, attributes.get(c.JOBSPAN_JOB_SCHEDULE_NAME)) if scheduled_by else None,
        job=event.job,
        run=INVALID_SPAN,
        options=incoming.field.options,
    )


def _place(event: RunStarted, incoming: Incoming, kind: str) -> tuple[int, int]:
    """Return how deep in its trace a run is, and when that trace began."""
    outer = origin_of(incoming.context) if event.eager else None
    if outer is not None:
        return outer.depth, outer.trace_started_ns or event.at_ns
    if event.eager or not relation.is_nested(incoming, kind):
        return 0, event.at_ns
    began_ms = incoming.field.trace_started_ms
    return incoming.field.depth or 0, event.at_ns if began_ms is None else began_ms * 1_000_000


def _called(incoming: Incoming) -> Incoming:
    """An eager run has no message: what caused its caller caused it."""
    origin = origin_of(incoming.context)
    if origin is None:
        return incoming
    field = incoming.field._replace(command_id=origin.command_id, command_name=origin.command_name)
    return incoming._replace(field=field)


def _ambient(event: RunStarted) -> SpanContext | None:
    """Return the span that is current around a worker's run; an eager run is its child."""
    return None if event.eager else get_current_span().get_span_context()


def _where() -> dict[str, Any]:
    thread = threading.current_thread()
    return {c.PROCESS_PID: os.getpid(), c.THREAD_NAME: thread.name, c.THREAD_ID: thread.ident or 0}


def _told_at_the_end(run: _OpenRun) -> dict[str, Any]:
    """Return what is known now and told at a run's end, for the one who may have to tell it."""
    found = _where()
    if run.prefetched_s is not None:
        found[c.JOBSPAN_JOB_WAIT_PREFETCHED] = run.prefetched_s
    if run.cost.start_bytes is not None:
        found[c.JOBSPAN_JOB_MEMORY_START] = run.cost.start_bytes
    return found


def _said(event: RunFinished) -> dict[str, Any]:
    found: dict[str, Any] = {
        c.JOBSPAN_JOB_OUTCOME: event.outcome.value,
        c.JOBSPAN_JOB_FINAL: event.final,
        **_where(),
    }
    if event.max_attempts is not None:
        found[c.JOBSPAN_JOB_MAX_ATTEMPTS] = event.max_attempts
    if event.retry_delay_s is not None:
        found[c.JOBSPAN_JOB_RETRY_DELAY] = event.retry_delay_s
    if event.dead_lettered is not None:
        found[c.JOBSPAN_JOB_DEAD_LETTERED] = event.dead_lettered
    return found


def _costs(run: _OpenRun) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if run.cost.at_once:  # else an interrupt landed before it was counted
        found[c.JOBSPAN_JOB_CONCURRENCY] = run.cost.at_once
    cpu_s, memory = run.cost.cpu_s(), run.cost.memory()
    if run.prefetched_s is not None:
        found[c.JOBSPAN_JOB_WAIT_PREFETCHED] = run.prefetched_s
    if cpu_s is not None:
        found[c.JOBSPAN_JOB_CPU_TIME] = cpu_s
    if memory is not None:
        found[c.JOBSPAN_JOB_MEMORY_START] = memory.start_bytes
        found[c.JOBSPAN_JOB_MEMORY_END] = memory.end_bytes
        found[c.JOBSPAN_JOB_MEMORY_SOURCE] = memory.source.value
        if memory.peak_bytes is not None:
            found[c.JOBSPAN_JOB_MEMORY_PEAK] = memory.peak_bytes
    return found
