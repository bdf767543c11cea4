"""The job that the running code is part of, for user code that adds to its span."""

from __future__ import annotations

from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN, Span

from jobspan.named_tuple import NamedTuple
from jobspan.recording.context.origin import origin_of
from jobspan.recording.registry.unrecorded_run import unrecorded_job


class CurrentJob(NamedTuple):
    """The job being run: ``span`` is its run span, whatever span is current inside it.

    Of a job without a run span (``trace=False``, no SDK) it is one that takes everything and records nothing.
    """

    id: str | None
    name: str | None
    attempt: int
    span: Span


def current_job() -> CurrentJob | None:
    """Return the job that this code runs in; None outside of one, or where nothing is instrumented."""
    origin = origin_of(get_current())
    if origin is not None and origin.job is not None and origin.run is not None:
        return CurrentJob(origin.job.id, origin.job.name, origin.job.attempt, origin.run)
    job = unrecorded_job()
    return None if job is None else CurrentJob(job.id, job.name, job.attempt, INVALID_SPAN)
