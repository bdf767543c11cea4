"""Which spans of whole traces belong to a command or a job: what ``stories`` says in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from jobspan import conventions as c
from jobspan.runs import Span, is_run

_NEAR_NS = 86_400 * 10**9
"""What others recorded in the traces of a command or a job belongs to it when it began within a day of its spans."""


def of_command(command_id: str, spans: Iterable[Span]) -> list[Span]:
    """Return what says it belongs to the command, and what others recorded in its traces."""
    near = _near(spans, lambda span: span.attributes.get(c.JOBSPAN_COMMAND_ID) == command_id)
    return [span for span in near if span.attributes.get(c.JOBSPAN_COMMAND_ID, command_id) == command_id]


def of_job(job_id: str, spans: Iterable[Span]) -> list[Span]:
    """Return the job's own spans and what descends from them, up to the runs of other jobs."""
    near = _near(spans, lambda span: is_of_job(span, job_id))
    inside: dict[tuple[str, str], Span] = {}
    children = defaultdict[tuple[str, str | None], list[Span]](list)
    for span in near:
        children[span.trace_id, span.parent_id].append(span)
    found = [span for span in near if is_of_job(span, job_id)]
    while found:
        span = found.pop()
        key = span.trace_id, span.span_id
        if key not in inside:
            inside[key] = span
            found += [child for child in children[key] if not is_run(child) or is_of_job(child, job_id)]
    return list(inside.values())


def is_of_job(span: Span, job_id: str) -> bool:
    """Say whether a span is a publish or a run of this job."""
    return span.attributes.get(c.MESSAGING_MESSAGE_ID) == job_id and c.JOBSPAN_FRAMEWORK in span.attributes


def in_order(spans: Iterable[Span]) -> list[Span]:
    """Return each span once, ordered by start, what is around others first."""
    once = {(span.trace_id, span.span_id): span for span in spans}
    return sorted(once.values(), key=lambda span: (span.start_ns, -span.end_ns, span.span_id))


def _near(spans: Iterable[Span], is_own: Callable[[Span], bool]) -> list[Span]:
    spans = list(spans)
    starts = [span.start_ns for span in spans if is_own(span)]
    if not starts:
        return []
    first, last = min(starts) - _NEAR_NS, max(starts) + _NEAR_NS
    return [span for span in spans if first <= span.start_ns <= last]
