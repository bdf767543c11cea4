"""A retry that its run could not ask for, because its process died: it goes on from where that run was."""

from __future__ import annotations

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from jobspan import conventions as c
from jobspan.events import PublishStarted
from jobspan.recording.context import propagation
from jobspan.recording.context.origin import ORIGIN, Origin
from jobspan.recording.journal.flight_log import flight_log


def context_of(event: PublishStarted, context: Context) -> Context:
    """Return the context of the lost run, or of its publish; the caller's own when the message carries none.

    The library copies the headers of the attempt before into those of its retry.
    """
    if c.FIELD not in event.carrier:
        return context
    incoming = propagation.read(event.carrier, context)
    field, lost = incoming.field, flight_log.lost_run_of(event.job.id)
    run = SpanContext(0, 0, is_remote=True)
    if lost is not None:
        flags = incoming.publisher.trace_flags if incoming.publisher.is_valid else TraceFlags(TraceFlags.SAMPLED)
        run = SpanContext(int(lost.trace_id, 16), int(lost.span_id, 16), is_remote=True, trace_flags=flags)
    origin = Origin(
        span=run,
        command_id=field.command_id,
        command_name=field.command_name,
        job_id=event.job.id,
        parent_job_id=field.parent_job_id,
        depth=field.depth or 0,
        trace_started_ns=None if field.trace_started_ms is None else field.trace_started_ms * 1_000_000,
        schedule=(field.scheduled_by, field.schedule_name) if field.scheduled_by else None,
        workflow_id=event.job.workflow_id,
        group_id=event.job.group_id,
    )
    inside = set_span_in_context(NonRecordingSpan(run), incoming.context) if run.is_valid else incoming.context
    return otel_context.set_value(ORIGIN, origin, inside)
