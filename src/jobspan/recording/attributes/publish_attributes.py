"""The attributes of a publish span, and jobspan's field on the message; worked out once for those that are alike."""

from __future__ import annotations

from typing import Any

from jobspan import conventions as c
from jobspan.events import PublishStarted
from jobspan.job_options import NOTHING, JobOptions
from jobspan.jobs import Job
from jobspan.named_tuple import NamedTuple
from jobspan.patterns import JobByPattern
from jobspan.recording.attributes import arguments, job_attributes
from jobspan.recording.context import lineage, links, message_field
from jobspan.recording.context.message_field import Members, MessageField
from jobspan.recording.context.option_resolver import OptionResolver
from jobspan.recording.context.origin import Origin
from jobspan.recording.context.trace_limits import TraceDecision
from jobspan.recording.sdk.span_start import SpanStart


class PreparedPublish(NamedTuple):
    """The name and the attributes that all publish spans of a pattern have, and the queue that is in their messages."""

    name: str
    attributes: dict[str, Any]
    queue: str | None


def prepare(example: PublishStarted, options: OptionResolver) -> PreparedPublish | None:
    """Return what all publishes of a pattern have in common; None: each is described by itself."""
    job = example.job
    is_first = job.attempt == 1 and job.scheduled_ns is None and job.scheduled_by is None
    # A workflow that the library's message does not carry goes into our field.
    is_simple = is_first and job.group_id is None and not example.is_root and not example.continues
    if not is_simple or example.options.args or not options.is_traced(example.options, job.name):
        return None
    name = job_attributes.span_name(c.OPERATION_PUBLISH, job.name)
    return PreparedPublish(name, job_attributes.common_to_publishes(example), _queue_in_message(job))


def of_publish(event: PublishStarted, origin: Origin | None, members: Members | None) -> SpanStart:
    """Return what a publish's span begins with."""
    attributes = job_attributes.of_publish(event.job, event.broker, origin)
    if members is not None and members.omitted:
        attributes[c.JOBSPAN_LINK_OMITTED] = members.omitted
    if event.options.args:
        attributes.update(arguments.attributes_of(event.arguments))
    return attributes, links.member_links(members), None


def of_publish_by_pattern(common: dict[str, Any], job: JobByPattern, origin: Origin | None) -> SpanStart:
    """Return the same for a publish of a pattern; ``common`` is what all of them say."""
    return job_attributes.of_publish_by_pattern(common, job, origin), (), None


def field_of(
    event: PublishStarted, origin: Origin | None, called: JobOptions, verdict: TraceDecision, members: Members | None
) -> str:
    """Return jobspan's field; of most jobs it holds little."""
    job, queue = event.job, _queue_in_message(event.job)
    has_workflow = event.continues is not None and (job.workflow_id is not None or job.group_id is not None)
    previous = _previous_attempt(job, origin) if origin else None
    is_simple = called is NOTHING and members is None and previous is None and not verdict.begins_trace
    if is_simple and not has_workflow and job.scheduled_ns is None and job.scheduled_by is None:
        return simple_field(event.at_ns, verdict, job, origin, queue)
    field = MessageField(
        published_ms=event.at_ns // 1_000_000,
        scheduled_ms=job.scheduled_ns // 1_000_000 if job.scheduled_ns is not None else None,
        command_id=origin.command_id if origin else None,
        command_name=origin.command_name if origin else None,
        parent_job_id=lineage.parent_id(job, origin) if origin else None,
        previous_attempt=previous,
        depth=1 + (origin.depth if origin else 0),
        trace_started_ms=verdict.trace_started_ns // 1_000_000,
        begins_trace=verdict.begins_trace,
        queue=queue,
        scheduled_by=job.scheduled_by,
        schedule_name=job.schedule_name,
        members=members,
        workflow_id=job.workflow_id if has_workflow else None,
        group_id=job.group_id if has_workflow else None,
        options=called,
    )
    return message_field.encode(field)


def simple_field(
    at_ns: int, verdict: TraceDecision, job: Job | JobByPattern, origin: Origin | None, queue: str | None
) -> str:
    """Return our field of a first attempt that is due at once, has no more to say and stays in its trace."""
    if origin is None:
        return message_field.simple(at_ns, 1, verdict.trace_started_ns, queue)
    return message_field.simple(
        at_ns,
        1 + origin.depth,
        verdict.trace_started_ns,
        queue,
        origin.command_id,
        origin.command_name,
        lineage.parent_id(job, origin),
    )


def _queue_in_message(job: Job) -> str | None:
    """Return the queue where it is not the routing key, which the worker knows."""
    return job.queue if job.routing_key is not None and job.routing_key != job.queue else None


def _previous_attempt(job: Job, origin: Origin) -> tuple[str, str] | None:
    # A task that replaces itself keeps its id and begins again with the first attempt; one without spans has no link.
    if origin.job_id is not None and origin.job_id == job.id and job.attempt > 1 and origin.span.is_valid:
        return f"{origin.span.trace_id:032x}", f"{origin.span.span_id:016x}"
    return None
