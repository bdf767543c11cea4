"""Which runs took much longer than their job usually does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median_low

from jobspan.runs import Run

TIMES_LONGER = 3
AT_LEAST_S = 1.0
ENOUGH_RUNS = 5


def slow_runs(runs: Iterable[Run]) -> frozenset[str]:
    """Return the span ids of runs over 1 s and over three times the (low) median of their job, of five runs or more."""
    durations: dict[str | None, list[tuple[float, str]]] = defaultdict(list)
    for run in runs:
        if run.duration_s is not None:
            durations[run.job_name].append((run.duration_s, run.span_id))
    return frozenset(
        span_id
        for timed in durations.values()
        if len(timed) >= ENOUGH_RUNS
        for duration, span_id in timed
        if duration > max(AT_LEAST_S, TIMES_LONGER * median_low(seconds for seconds, _ in timed))
    )
