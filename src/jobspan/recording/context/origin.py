"""Who caused what happens now: the command at the root and the job around it, kept in the OpenTelemetry context."""

from __future__ import annotations

from typing import Protocol

from opentelemetry.context import Context, create_key
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Span, SpanContext

from jobspan.job_options import NOTHING, JobOptions
from jobspan.jobs import Job
from jobspan.named_tuple import NamedTuple

ORIGIN = create_key("jobspan-origin")


class Origin(NamedTuple):
    """The command, the running job, and the run's or command's span; None: there is none, or it is not known.

    ``depth`` counts the runs from the start of the trace, whose time is ``trace_started_ns``.
    """

    span: SpanContext
    command_id: str | None = None
    command_name: str | None = None
    job_id: str | None = None
    parent_job_id: str | None = None
    depth: int = 0
    trace_started_ns: int | None = None
    schedule: tuple[str, str | None] | None = None
    workflow_id: str | None = None
    group_id: str | None = None
    job: Job | None = None
    run: Span | None = None
    options: JobOptions = NOTHING


UNKNOWN = Origin(INVALID_SPAN_CONTEXT)


class PendingOrigin(Protocol):
    """An origin that is worked out when it is first needed."""

    def origin(self) -> Origin:
        """Return it."""


def origin_of(context: Context) -> Origin | None:
    """Return the origin that a context carries."""
    found: Origin | PendingOrigin | None = context.get(ORIGIN)  # type: ignore[assignment]  # only jobspan has the key
    return found if found is None or isinstance(found, Origin) else found.origin()
