"""Which runs are the newest, which failures belong together, and why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobspan.analysis.failures import FailureGroup, group_failures
from jobspan.backends.base import Backend, Counts, RunFilter
from jobspan.runs import Run


@dataclass(frozen=True, slots=True)
class RunsFound:
    """The newest runs up to the limit, newest first, with the counts over all; ``more``: the limit left runs out."""

    runs: Sequence[Run]
    counts: Counts
    more: bool


@dataclass(frozen=True, slots=True)
class GroupsFound:
    """The largest groups of failures up to the limit, largest first; ``total``: groups without the limit."""

    groups: Sequence[FailureGroup]
    counts: Counts
    total: int


@dataclass(frozen=True, slots=True)
class NothingFound:
    """What ran although a filter found no run.

    Attributes:
        jobs: jobs that ran in the window and match all but outcome and failure.
        other_jobs: without such jobs, all jobs that ran in the window.
        newest: without any job in the window, the newest run of the backend; None: it has no run.
    """

    jobs: int
    other_jobs: int
    newest: Run | None


def newest_runs(backend: Backend, where: RunFilter) -> RunsFound:
    """Return the newest runs up to the filter's limit, the counts over all, and whether there are more."""
    limit = where.limit
    found = backend.runs(replace(where, limit=limit + 1 if limit else None))
    found = sorted(found, key=lambda run: (-run.start_ns, run.span_id))
    return RunsFound(found[:limit], backend.counts(where), more=limit is not None and len(found) > limit)


def failure_groups(backend: Backend, where: RunFilter, by: str) -> GroupsFound:
    """Return failures that belong together, the largest groups up to the filter's limit.

    Args:
        where: a filter with ``failed``.
        by: a key of ``analysis.failures.GROUPINGS``.
    """
    groups = group_failures(backend.runs(replace(where, limit=None)), by)
    return GroupsFound(groups[: where.limit], backend.counts(where), len(groups))


def nothing_found(backend: Backend, where: RunFilter, counts: Counts) -> NothingFound:
    """Return what ran instead, after a filter with these counts found no run."""
    if counts.jobs:
        return NothingFound(counts.jobs, 0, None)
    others = 0
    if where.jobs or where.queues or where.commands or where.frameworks or where.outcomes:
        others = backend.counts(RunFilter(since_ns=where.since_ns, until_ns=where.until_ns)).jobs
    newest = [] if others else backend.runs(RunFilter(limit=1))
    return NothingFound(0, others, newest[0] if newest else None)
