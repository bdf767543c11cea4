"""What the attributes of a job's spans say, from the job, its broker and its times."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from jobspan import conventions as c
from jobspan.events import PublishStarted, RunByPattern, RunStarted
from jobspan.jobs import Broker, Framework, Job
from jobspan.recording.attributes.redaction import encodable
from jobspan.recording.context import lineage
from jobspan.recording.context.message_field import NOTHING, MessageField
from jobspan.recording.context.origin import Origin

if TYPE_CHECKING:
    # Loaded with the first library that jobs come from.
    from jobspan.patterns import JobByPattern

_MOST_PREPARED = 2048
_prepared: dict[tuple[Any, ...], dict[str, Any]] = {}


def span_name(operation: str, job_name: str | None) -> str:
    """Return the name of a job's span: ``run send_receipt``."""
    return f"{operation} {encodable(job_name) if job_name else c.UNKNOWN_JOB}"


def of_publish(job: Job, broker: Broker, origin: Origin | None) -> dict[str, Any]:
    """Return what a publish span says when it starts."""
    return _published_by(_of_job(c.OPERATION_PUBLISH, job, broker), job, origin)


def common_to_publishes(example: PublishStarted) -> dict[str, Any]:
    """Return what all publishes of a pattern say, with room for their ids."""
    return of_publish(example.job._replace(id="", workflow_id=""), example.broker, None)


def common_to_runs(example: RunStarted) -> dict[str, Any]:
    """Return what all runs of a pattern say, with room for their ids."""
    return of_run(example._replace(job=example.job._replace(id="", workflow_id="")), NOTHING)


def of_publish_by_pattern(common: dict[str, Any], job: JobByPattern, origin: Origin | None) -> dict[str, Any]:
    """Return the same of a job of a pattern; ``common`` is what all of them say."""
    return _published_by(_of_pattern(common, job), job, origin)


def of_batch(
    framework: Framework, broker: Broker, origin: Origin | None, job_name: str | None = None
) -> dict[str, Any]:
    """Return what a batch span says when it starts; ``job_name`` when all its jobs have one."""
    found: dict[str, Any] = {
        c.MESSAGING_SYSTEM: broker.system,
        c.MESSAGING_OPERATION_NAME: c.OPERATION_PUBLISH,
        c.MESSAGING_OPERATION_TYPE: c.OPERATION_TYPE_SEND,
        c.JOBSPAN_FRAMEWORK: framework.value,
    }
    _add(found, c.JOBSPAN_JOB_NAME, job_name)
    _add(found, c.SERVER_ADDRESS, broker.address)
    _add(found, c.SERVER_PORT, broker.port)
    _add(found, c.JOBSPAN_JOB_PARENT_ID, origin.job_id if origin is not None else None)
    if origin is not None and origin.command_id is not None:
        found[c.JOBSPAN_COMMAND_ID] = origin.command_id
        found[c.JOBSPAN_COMMAND_NAME] = origin.command_name
    return found


def of_run(event: RunStarted, field: MessageField, job: Job | None = None) -> dict[str, Any]:
    """Return what a run span says when it starts; ``job`` is the event's as it was published, where that is at hand."""
    found = _of_job(c.OPERATION_RUN, job or lineage.as_published(event.job, field), event.broker)
    found[c.MESSAGING_CLIENT_ID] = event.worker
    if field.workflow_id is not None:
        workflow_id, group_id = lineage.workflow_of_run(event.job, field)
        found[c.MESSAGING_CONVERSATION_ID] = workflow_id
        _add(found, c.JOBSPAN_JOB_GROUP_ID, group_id)
    if event.job.max_attempts is not None:
        found[c.JOBSPAN_JOB_MAX_ATTEMPTS] = event.job.max_attempts
    if event.function is not None:
        found[c.CODE_FUNCTION_NAME] = event.function
    if event.job.is_redelivered:
        found[c.JOBSPAN_JOB_REDELIVERED] = True
    _add_cause(found, event.job, field)
    if field.members is not None and field.members.omitted:
        found[c.JOBSPAN_LINK_OMITTED] = field.members.omitted
    if event.eager:
        found[c.JOBSPAN_JOB_EAGER] = True
    else:
        scheduled_ns = event.job.scheduled_ns or (field.scheduled_ms or 0) * 1_000_000
        _add_waits(found, field.published_ms, scheduled_ns, event.received_ns, event.at_ns)
    return found


def of_run_by_pattern(common: dict[str, Any], event: RunByPattern, field: MessageField) -> dict[str, Any]:
    """Return the same of a run of a pattern; ``common`` is what all of them say, and ``field`` is simple."""
    found = _of_pattern(common, event.job)
    _add_cause(found, event.job, field)
    _add_waits(found, field.published_ms, 0, event.received_ns, event.at_ns)
    return found


def iso_time(unix_ns: int) -> str | None:
    """Return a time as ISO 8601 text in UTC; None where no calendar has it."""
    try:
        return datetime.fromtimestamp(unix_ns / 1e9, tz=timezone.utc).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


def _published_by(found: dict[str, Any], job: Job | JobByPattern, origin: Origin | None) -> dict[str, Any]:
    parent = lineage.parent_id(job, origin)
    if parent is not None:
        found[c.JOBSPAN_JOB_PARENT_ID] = parent
    if origin is not None and origin.command_id is not None:
        found[c.JOBSPAN_COMMAND_ID] = origin.command_id
        found[c.JOBSPAN_COMMAND_NAME] = origin.command_name
    return found


def _add_cause(found: dict[str, Any], job: Job | JobByPattern, field: MessageField) -> None:
    if field.parent_job_id or job.parent_id is not None:
        _add(found, c.JOBSPAN_JOB_PARENT_ID, lineage.parent_of_run(job, field))
    if field.command_id is not None:
        found[c.JOBSPAN_COMMAND_ID] = field.command_id
        _add(found, c.JOBSPAN_COMMAND_NAME, field.command_name)


def _add_waits(
    found: dict[str, Any], published_ms: int | None, scheduled: int, received: int | None, at_ns: int
) -> None:
    """Split the time between publish and run: asked for, in the broker, in the worker; seconds, never negative.

    Without a publish time on the message nothing is known, and nothing returned.
    """
    if published_ms is None:
        return
    published, came = published_ms * 1_000_000, received or at_ns
    found[c.JOBSPAN_JOB_WAIT_QUEUED] = max(0, came - max(published, scheduled)) / 1e9
    if scheduled:
        found[c.JOBSPAN_JOB_WAIT_SCHEDULED] = max(0, scheduled - published) / 1e9
    if received is not None:
        found[c.JOBSPAN_JOB_WAIT_PREFETCHED] = max(0, at_ns - max(came, scheduled)) / 1e9
    if came < published:
        found[c.JOBSPAN_JOB_CLOCK_SKEW] = True


def _of_pattern(common: dict[str, Any], job: JobByPattern) -> dict[str, Any]:
    found = common.copy()
    _, job_id, workflow_id, _ = job
    # In the places that they have in a span described by itself: where there are too many, the first are dropped.
    if job_id is not None:
        found[c.MESSAGING_MESSAGE_ID] = job_id
    else:
        del found[c.MESSAGING_MESSAGE_ID]
    if workflow_id is not None:
        found[c.MESSAGING_CONVERSATION_ID] = workflow_id
    else:
        del found[c.MESSAGING_CONVERSATION_ID]
    return found


def _of_job(operation: str, job: Job, broker: Broker) -> dict[str, Any]:
    found = _prepared_for(operation, job, broker).copy()
    found[c.JOBSPAN_JOB_ATTEMPT] = job.attempt
    if job.id is not None:
        found[c.MESSAGING_MESSAGE_ID] = job.id
    if job.workflow_id is not None:
        found[c.MESSAGING_CONVERSATION_ID] = job.workflow_id
    if job.group_id is not None:
        found[c.JOBSPAN_JOB_GROUP_ID] = job.group_id
    if job.expires_at is not None:
        found[c.JOBSPAN_JOB_EXPIRES_AT] = job.expires_at
    if job.scheduled_ns is not None:
        _add(found, c.JOBSPAN_JOB_SCHEDULED_AT, iso_time(job.scheduled_ns))
    if job.soft_limit_s is not None:
        found[c.JOBSPAN_JOB_TIME_LIMIT_SOFT] = job.soft_limit_s
    if job.hard_limit_s is not None:
        found[c.JOBSPAN_JOB_TIME_LIMIT_HARD] = job.hard_limit_s
    return found


def _prepared_for(operation: str, job: Job, broker: Broker) -> dict[str, Any]:
    """Return what all jobs of one name that are published in one way have in common, prepared once."""
    # fmt: off
    key = (
        operation, broker, job.framework, job.name, job.queue, job.routing_key, job.priority, job.scheduled_by,
        job.schedule_name,
    )
    # fmt: on
    found = _prepared.get(key)
    if found is None:
        if len(_prepared) >= _MOST_PREPARED:
            _prepared.clear()
        found = _prepared[key] = _common(operation, job, broker)
    return found


def _common(operation: str, job: Job, broker: Broker) -> dict[str, Any]:
    runs = operation == c.OPERATION_RUN
    found: dict[str, Any] = {
        c.MESSAGING_SYSTEM: broker.system,
        c.MESSAGING_OPERATION_NAME: operation,
        c.MESSAGING_OPERATION_TYPE: c.OPERATION_TYPE_PROCESS if runs else c.OPERATION_TYPE_SEND,
        c.MESSAGING_DESTINATION_NAME: job.queue,
        c.JOBSPAN_FRAMEWORK: job.framework.value,
    }
    _add(found, c.JOBSPAN_JOB_NAME, encodable(job.name) if job.name else job.name)
    _add(found, c.SERVER_ADDRESS, broker.address)
    _add(found, c.SERVER_PORT, broker.port)
    _add(found, c.JOBSPAN_JOB_PRIORITY, job.priority)
    _add(found, c.JOBSPAN_JOB_SCHEDULED_BY, job.scheduled_by)
    _add(found, c.JOBSPAN_JOB_SCHEDULE_NAME, job.schedule_name)
    if job.routing_key is not None and job.routing_key != job.queue and broker.system == c.SYSTEM_RABBITMQ:
        found[c.MESSAGING_RABBITMQ_ROUTING_KEY] = job.routing_key
    return found


def _add(found: dict[str, Any], name: str, value: object) -> None:
    if value is not None:
        found[name] = value
