"""Where what a run does comes from: its command, its job and its place in the trace, from what its message brought."""

from __future__ import annotations

from opentelemetry.trace import INVALID_SPAN, Span

from jobspan.jobs import Job
from jobspan.patterns import JobByPattern, whole
from jobspan.recording.context import lineage, links
from jobspan.recording.context.origin import UNKNOWN, Origin, origin_of
from jobspan.recording.context.propagation import Incoming


class PendingRun:
    """What causes what a run does, worked out when it is first needed: most jobs publish no others.

    Then it lets go of what that was worked out from: around an eager run, the run that called it.
    """

    __slots__ = ("_found", "_given", "_is_eager")

    def __init__(
        self, job: Job | JobByPattern, incoming: Incoming, kind: str, at_ns: int, span: Span, is_eager: bool
    ) -> None:
        self._given: tuple[Job | JobByPattern, Incoming, str, int, Span] | None = job, incoming, kind, at_ns, span
        self._is_eager = is_eager
        self._found = UNKNOWN

    def origin(self) -> Origin:
        """Return it."""
        given = self._given
        if given is not None:
            # In this order: another thread may ask at the same time.
            job, incoming, kind, at_ns, span = given
            self._found = origin_of_run(whole(job), incoming, kind, at_ns, span, eager=self._is_eager)
            self._given = None
        return self._found


def origin_of_run(
    job: Job, incoming: Incoming, kind: str, at_ns: int, span: Span = INVALID_SPAN, *, eager: bool = False
) -> Origin:
    """Return what causes what a run does.

    Args:
        job: as the worker knows it.
        incoming: what its message brought.
        kind: how the run relates to its publish.
        at_ns: when it began.
        span: of the run.
        eager: it has no message, and ran where it was called.
    """
    field = incoming.field
    scheduled_by = field.scheduled_by or job.scheduled_by
    depth, trace_started_ns = _place(incoming, kind, at_ns, eager=eager)
    workflow_id, group_id = lineage.workflow_of_run(job, field)
    return Origin(
        span.get_span_context(),
        field.command_id,
        field.command_name,
        job.id,
        lineage.parent_of_run(job, field),
        depth,
        trace_started_ns,
        (scheduled_by, field.schedule_name or job.schedule_name) if scheduled_by else None,
        workflow_id,
        group_id,
        job,
        span,
        field.options,
    )


def as_called(incoming: Incoming) -> Incoming:
    """An eager run has no message: what caused its caller caused it."""
    origin = origin_of(incoming.context)
    if origin is None:
        return incoming
    field = incoming.field._replace(command_id=origin.command_id, command_name=origin.command_name)
    return incoming._replace(field=field)


def _place(incoming: Incoming, kind: str, at_ns: int, *, eager: bool) -> tuple[int, int]:
    """Return how deep in its trace a run is, and when that trace began."""
    outer = origin_of(incoming.context) if eager else None
    if outer is not None:
        return outer.depth, outer.trace_started_ns or at_ns
    if eager or not links.is_nested(incoming, kind):
        return 0, at_ns
    began_ms = incoming.field.trace_started_ms
    return incoming.field.depth or 0, at_ns if began_ms is None else began_ms * 1_000_000
