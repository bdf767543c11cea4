"""What the backend says of a window: failed runs and run times by queue, and telemetry that was dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from jobspan.analysis.quantiles import spread
from jobspan.backends.base import Backend, ReportsDrops, RunFilter
from jobspan.health.findings import QueueKey, RunFacts
from jobspan.jobs import Framework
from jobspan.runs import Run

MOST_RUNS = 20_000
"""Of a window with more runs the newest are looked at."""

_FRAMEWORKS = frozenset(framework.value for framework in Framework)


def facts(backend: Backend, since_ns: int, window: str, *, with_run_times: bool) -> RunFacts:
    """Ask a backend.

    Args:
        backend: where spans are kept.
        since_ns: begin of the window, Unix nanoseconds.
        window: the same in words: ``in the last hour``.
        with_run_times: also ask for every run, which the 95th percentiles need.

    Raises:
        BackendError: it cannot be reached or understood.
    """
    failed = backend.runs(RunFilter(since_ns=since_ns, failed=True, limit=MOST_RUNS))
    runs = backend.runs(RunFilter(since_ns=since_ns, limit=MOST_RUNS)) if with_run_times else ()
    dropped = backend.dropped() if isinstance(backend, ReportsDrops) else {}
    return RunFacts(window, Counter(filter(None, map(_queue, failed))), _p95_s(runs), dropped)


def _p95_s(runs: Iterable[Run]) -> dict[QueueKey, float]:
    taken = defaultdict[QueueKey, list[float]](list)
    for run in runs:
        queue = _queue(run)
        if queue and run.duration_s is not None:
            taken[queue].append(run.duration_s)
    return {queue: found.p95 for queue, durations in taken.items() if (found := spread(durations))}


def _queue(run: Run) -> QueueKey | None:
    return (run.framework, run.queue) if run.framework in _FRAMEWORKS and run.queue else None
