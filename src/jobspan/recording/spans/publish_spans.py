"""Publish events → publish spans, and the context that leaves on the message."""

from __future__ import annotations

from functools import partial
from typing import Literal

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from jobspan import conventions as c
from jobspan.events import PublishByPattern, PublishFinished, PublishStarted
from jobspan.job_options import NOTHING, JobOptions, chosen_around
from jobspan.jobs import Job
from jobspan.named_tuple import NamedTuple
from jobspan.patterns import whole
from jobspan.recording.attributes import job_attributes, publish_attributes
from jobspan.recording.attributes.exception_text import type_name
from jobspan.recording.attributes.publish_attributes import PreparedPublish
from jobspan.recording.context import message_field, propagation
from jobspan.recording.context.message_field import Members
from jobspan.recording.context.origin import Origin, origin_of
from jobspan.recording.context.otel_context import inside, span_in
from jobspan.recording.context.trace_limits import TraceDecision, TraceLimiter
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.registry.open_spans import OpenSpans
from jobspan.recording.safety.interrupts import is_interrupt
from jobspan.recording.sdk.reserved_ids import use_span_id
from jobspan.recording.spans import child_processes, orphaned_retry, publish_batches
from jobspan.recording.spans.batch_spans import Batch, batch_of
from jobspan.recording.spans.command_spans import Commands
from jobspan.recording.spans.publish_batches import OpenBatch
from jobspan.recording.telemetry.instruments import Instruments, call_hook, say_once_that_nothing_records, set_error
from jobspan.recording.telemetry.series import Series


class _OpenPublish(NamedTuple):
    span: Span
    outside: Context
    started_ns: int
    series: Series | None
    command_id: str | None = None
    batch: Batch | None = None
    open_batch: OpenBatch | None = None
    event: PublishStarted | None = None


class Publishes:
    """Writes publish spans: current while the call lasts, so that the broker client's spans hang beneath."""

    def __init__(self, instruments: Instruments, commands: Commands, trace_limiter: TraceLimiter) -> None:
        self._instruments = instruments
        self._commands = commands
        self._trace_limiter = trace_limiter
        self._open: OpenSpans[_OpenPublish] = OpenSpans()

    def started(self, event: PublishStarted) -> None:
        """Open the span, make it current and put it on the message; past the trace's limit its batch's instead."""
        instruments, outside = self._instruments, otel_context.get_current()
        context = Context() if event.is_root else self._commands.caller(event.at_ns)
        origin = origin_of(context)
        if origin is None and event.job.attempt > 1:
            context = orphaned_retry.context_of(event, context)
            origin = origin_of(context)
        called = instruments.options.for_publish(event, origin)
        job, options = event.job, called.over(event.options)
        if origin is not None:
            job = _in_workflow(event, origin, _as_scheduled(event, origin))
        if job is not event.job or options is not event.options:
            event = event._replace(job=job, options=options)
        is_traced = instruments.options.is_traced(options, job.name)
        trace_id = span_in(context).get_span_context().trace_id
        if is_traced and not trace_id and not instruments.has_sdk:
            event.carrier.pop(c.MEMBERS_FIELD, None)
            say_once_that_nothing_records()
            return
        series = instruments.metrics.of_publish(event)
        verdict = self._verdict(trace_id, origin, event.at_ns, is_counted=is_traced)
        if is_traced:
            self._put(event, outside, context, origin, called, series, verdict)
            return
        # The caller's own context goes on the message, and what is current stays so.
        batch, text = batch_of(context), publish_attributes.field_of(event, origin, called, verdict, _members(event))
        publish = _OpenPublish(INVALID_SPAN, outside, event.at_ns, series, _command_id(origin), batch)
        self._open.add(event.key, publish)
        propagation.write(event.carrier, context, text)

    def started_by_pattern(self, event: PublishByPattern) -> None:
        """Do the same with what is worked out once for all publishes of a pattern, unless there is more to this one."""
        instruments, outside = self._instruments, otel_context.get_current()
        _, job, carrier, at_ns, _ = event
        prepared: PreparedPublish | Literal[False] | None = job.pattern.prepared
        if prepared is None:
            prepared = job.pattern.prepare(publish_attributes.prepare, instruments.options)
        context = self._commands.caller(at_ns)
        origin = origin_of(context)
        is_first = origin is None or (origin.job_id != job.id and origin.options is NOTHING)
        is_first = is_first and (job.workflow_id is None or job.pattern.example.continues is None)
        is_alone = is_first and c.MEMBERS_FIELD not in carrier and batch_of(context) is None
        if not prepared or not is_alone or chosen_around() is not NOTHING or not instruments.has_sdk:
            self.started(event.whole())
            return
        series = instruments.metrics.of_publish(job.pattern.example)
        trace_id = span_in(context).get_span_context().trace_id
        verdict = self._verdict(trace_id, origin, at_ns)
        if verdict.begins_trace:
            self._put(event.whole(), outside, context, origin, NOTHING, series, verdict)
            return
        describe = partial(publish_attributes.of_publish_by_pattern, prepared.attributes, job, origin)
        start_span, tracer = instruments.span_starter.start_span, instruments.tracer
        span, _ = start_span(tracer, prepared.name, context, SpanKind.PRODUCER, at_ns, describe)
        text = publish_attributes.simple_field(at_ns, verdict, job, origin, prepared.queue)
        if span.get_span_context().is_valid:
            self._begin(event, _OpenPublish(span, outside, at_ns, series, _command_id(origin)), context, text)
        else:
            _pass_on(event, context, text)

    def _put(
        self,
        event: PublishStarted,
        outside: Context,
        context: Context,
        origin: Origin | None,
        called: JobOptions,
        series: Series | None,
        verdict: TraceDecision,
    ) -> None:
        members, batch = _members(event), batch_of(context)
        text = publish_attributes.field_of(event, origin, called, verdict, members)
        open_batch, span = None, None
        if verdict.is_summarised:
            open_batch = publish_batches.add_publish(event, self._instruments, context, origin)
            span = open_batch.span
        elif batch is not None and event.is_member:
            with use_span_id(batch.next_promised()):
                span = self._start(event, context, origin, members)
        else:
            span = self._start(event, context, origin, members)
        if not span.get_span_context().is_valid:
            _pass_on(event, context, text)
            return
        counted = event if open_batch is not None else None
        command_id = _command_id(origin)
        publish = _OpenPublish(span, outside, event.at_ns, series, command_id, batch, open_batch, counted)
        self._begin(event, publish, context, text)

    def _verdict(self, trace_id: int, origin: Origin | None, at_ns: int, *, is_counted: bool = True) -> TraceDecision:
        return self._trace_limiter.count(
            trace_id,
            depth=origin.depth if origin is not None else 0,
            started_ns=origin.trace_started_ns if origin is not None else None,
            at_ns=at_ns,
            is_counted=is_counted,
        )

    def _begin(
        self, event: PublishStarted | PublishByPattern, publish: _OpenPublish, context: Context, text: str
    ) -> None:
        """Make a span that has just been started current, and put it on the message."""
        span = publish.span
        here = inside(span, context)
        # Remembered before it is current: an exception of another thread may land between any two lines.
        self._open.add(event.key, publish)
        otel_context.attach(here)
        if publish.open_batch is None:
            if self._instruments.publish_hook is not None:
                call_hook(self._instruments.publish_hook, span, whole(event.job))
            flight_log.began_inside(span)
        propagation.write(event.carrier, here, text)

    def finished(self, event: PublishFinished) -> None:
        """End the span, with the error if the job was not handed over."""
        publish = self._open.get(event.key)
        if publish is None:
            return
        try:
            if publish.open_batch is None:
                self._end(publish.span, event)
            elif event.error is not None:
                self._end(self._reported_alone(publish), event)
        except Exception as raised:
            if not is_interrupt(raised):  # after one it is reported again
                self._open.take(event.key)
            raise
        finally:
            otel_context.attach(publish.outside)
        if self._open.take(event.key) is None:
            return
        if publish.series is not None:
            error = None if event.error is None else type_name(event.error)
            seconds = (event.at_ns - publish.started_ns) / 1e9
            self._instruments.metrics.published(publish.series, publish.span, seconds, error)
        self._commands.count_publish(publish.outside, publish.command_id, event.at_ns, failed=event.error is not None)
        if publish.batch is not None and event.error is None:
            publish.batch.count += 1

    def _start(self, event: PublishStarted, context: Context, origin: Origin | None, members: Members | None) -> Span:
        name = job_attributes.span_name(c.OPERATION_PUBLISH, event.job.name)
        describe = partial(publish_attributes.of_publish, event, origin, members)
        tracer, start_span = self._instruments.tracer, self._instruments.span_starter.start_span
        span, _ = start_span(tracer, name, context, SpanKind.PRODUCER, event.at_ns, describe)
        return span

    def _reported_alone(self, publish: _OpenPublish) -> Span:
        """Return a span of its own for a publish of a open_batch that failed: failures are never summarised."""
        assert publish.open_batch is not None  # noqa: S101 - for the type checker
        assert publish.event is not None  # noqa: S101 - for the type checker
        publish_batches.remove_publish(publish.open_batch)
        context = otel_context.get_current()
        span = self._start(publish.event, context, origin_of(context), None)
        call_hook(self._instruments.publish_hook, span, publish.event.job)
        return span

    def _end(self, span: Span, event: PublishFinished) -> None:
        if not span.is_recording():
            flight_log.clear(span)  # an interrupt may have kept it from that when it ended
            return
        if not child_processes.has_published:
            child_processes.first_publish(span)
        if event.error is not None:
            text = self._instruments.exception_text(event.error)
            set_error(span, text.type, text.message)
            self._instruments.record_exception(span, text, c.EVENT_SEND_EXCEPTION, event.at_ns)
        flight_log.record_finished(span, event.at_ns)
        try:
            span.end(event.at_ns)
        finally:
            flight_log.clear(span)


def _pass_on(event: PublishStarted | PublishByPattern, context: Context, text: str) -> None:
    """Let a caller's context go on where nothing records: not every version of the API makes a span of it."""
    say_once_that_nothing_records()
    if span_in(context).get_span_context().is_valid:
        propagation.write(event.carrier, context, text)


def _as_scheduled(event: PublishStarted, origin: Origin) -> Job:
    """Return the job with the schedule that put its first attempt."""
    job = event.job
    if origin.schedule is None or origin.job_id != job.id or job.scheduled_by is not None:
        return job
    by, name = origin.schedule
    return job._replace(scheduled_by=by, schedule_name=name)


def _in_workflow(event: PublishStarted, origin: Origin, job: Job) -> Job:
    """Return the job in the workflow that it carries on; what follows a group is no member of it."""
    if not event.continues:
        return job
    follows = c.MEMBERS_FIELD in event.carrier
    return job._replace(workflow_id=origin.workflow_id, group_id=None if follows else origin.group_id)


def _members(event: PublishStarted) -> Members | None:
    """Take off the carrier whom this job has waited for."""
    text = event.carrier.pop(c.MEMBERS_FIELD, None)
    if text is None or not event.is_member:
        return None
    field = message_field.decode(text)
    return field.members if field is not None else None


def _command_id(origin: Origin | None) -> str | None:
    return origin.command_id if origin is not None else None
