"""Which job, workflow and group a job belongs to: what travels with the message comes before what the library says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobspan.jobs import Job
from jobspan.recording.context.message_field import MessageField
from jobspan.recording.context.origin import Origin

if TYPE_CHECKING:
    # Loaded with the first library that jobs come from.
    from jobspan.patterns import JobByPattern


def as_published(job: Job, field: MessageField) -> Job:
    """Return the job with what only its publisher knew: the queue behind a routing key, the schedule."""
    if field.queue is None and field.scheduled_by is None:
        return job
    return job._replace(
        queue=field.queue or job.queue,
        scheduled_by=field.scheduled_by or job.scheduled_by,
        schedule_name=field.schedule_name or job.schedule_name,
    )


def parent_id(job: Job | JobByPattern, origin: Origin | None) -> str | None:
    """Return the id of the job that publishes this one; a retry keeps the parent of its first attempt."""
    if origin is not None and origin.job_id is not None:
        return origin.parent_job_id if origin.job_id == job.id else origin.job_id
    return _other_than_itself(job)


def workflow_of_run(job: Job, field: MessageField) -> tuple[str | None, str | None]:
    """Return the ids of workflow and group: those that travel with the message go before the library's own."""
    if field.workflow_id is None:
        return job.workflow_id, job.group_id
    return field.workflow_id, field.group_id or job.group_id


def parent_of_run(job: Job | JobByPattern, field: MessageField) -> str | None:
    """Return the id of the job that published the one that runs."""
    return field.parent_job_id or _other_than_itself(job)


def _other_than_itself(job: Job | JobByPattern) -> str | None:
    # Celery names a retried task as its own parent.
    return job.parent_id if job.parent_id != job.id else None
