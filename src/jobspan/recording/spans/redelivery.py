"""Whether a run comes again after one of its job that was lost, and the link to that lost one."""

from __future__ import annotations

from opentelemetry.trace import Span

from jobspan.events import RunStarted
from jobspan.named_tuple import NamedTuple
from jobspan.recording.context import links
from jobspan.recording.journal.flight_log import flight_log


class MissingLostRun(NamedTuple):
    """A job delivered again, and which attempt, whose lost run was not recovered yet when its next one began."""

    job_id: str | None
    attempt: int


def find_lost_run(event: RunStarted, job_id: str | None) -> tuple[str, str] | None:
    """Return trace and span id of this attempt's run before, which was lost; None when none is known."""
    if not event.is_safe and not event.job.is_redelivered:
        return None
    lost = flight_log.lost_run_of(job_id)
    if lost is None or lost.attempt != event.job.attempt:
        return None
    return lost.trace_id, lost.span_id


def missing(event: RunStarted, lost: tuple[str, str] | None, kind: str) -> MissingLostRun | None:
    """Return what is still to be found of a lost run; None when it is found, or there was none."""
    is_wanted = event.job.is_redelivered and lost is None and kind != "none"
    return MissingLostRun(event.job.id, event.job.attempt) if is_wanted else None


def link_if_found(span: Span, missing: MissingLostRun) -> None:
    """Link to the lost run if it is recovered by now: a broker may deliver again before a death is noticed."""
    lost = flight_log.lost_run_of(missing.job_id)
    if lost is not None and lost.attempt == missing.attempt:
        link = links.lost_link(lost.trace_id, lost.span_id)
        span.add_link(link.context, link.attributes)
