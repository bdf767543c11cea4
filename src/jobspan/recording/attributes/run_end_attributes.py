"""The attributes of a run's span that do not come from its message: where it ran, how it ended, what it cost."""

from __future__ import annotations

import os
import threading
from typing import Any

from jobspan import conventions as c
from jobspan.events import RunFinished
from jobspan.probes.run_cost import RunCost


def reported_at_the_end(cost: RunCost, prefetched_s: float | None) -> dict[str, Any]:
    """Return what is known now and reported at a run's end, for the process that may have to recover it."""
    found = _where()
    if prefetched_s is not None:
        found[c.JOBSPAN_JOB_WAIT_PREFETCHED] = prefetched_s
    if cost.start_bytes is not None:
        found[c.JOBSPAN_JOB_MEMORY_START] = cost.start_bytes
    return found


def outcome_of(end: RunFinished) -> dict[str, Any]:
    """Return what is known of the end of a run whichever process reports it."""
    return {c.JOBSPAN_JOB_OUTCOME: end.outcome.value, c.JOBSPAN_JOB_FINAL: end.final}


def of_end(event: RunFinished, costs: dict[str, Any]) -> dict[str, Any]:
    """Return how a run of this process ended, and what it cost."""
    found = _where()
    # Not by the function above: twenty bytecodes of each run (tests/unit/recording/test_cost.py).
    found[c.JOBSPAN_JOB_OUTCOME] = event.outcome.value
    found[c.JOBSPAN_JOB_FINAL] = event.final
    found.update(costs)
    if event.max_attempts is not None:
        found[c.JOBSPAN_JOB_MAX_ATTEMPTS] = event.max_attempts
    if event.retry_delay_s is not None:
        found[c.JOBSPAN_JOB_RETRY_DELAY] = event.retry_delay_s
    if event.dead_lettered is not None:
        found[c.JOBSPAN_JOB_DEAD_LETTERED] = event.dead_lettered
    return found


def of_costs(cost: RunCost, prefetched_s: float | None) -> dict[str, Any]:
    """Return what a run cost, and how long it had waited in the worker."""
    found: dict[str, Any] = {}
    if cost.at_once:  # else an interrupt landed before it was counted
        found[c.JOBSPAN_JOB_CONCURRENCY] = cost.at_once
    cpu_s, memory = cost.cpu_s(), cost.memory()
    if prefetched_s is not None:
        found[c.JOBSPAN_JOB_WAIT_PREFETCHED] = prefetched_s
    if cpu_s is not None:
        found[c.JOBSPAN_JOB_CPU_TIME] = cpu_s
    if memory is not None:
        found[c.JOBSPAN_JOB_MEMORY_START] = memory.start_bytes
        found[c.JOBSPAN_JOB_MEMORY_END] = memory.end_bytes
        found[c.JOBSPAN_JOB_MEMORY_SOURCE] = memory.source.value
        if memory.peak_bytes is not None:
            found[c.JOBSPAN_JOB_MEMORY_PEAK] = memory.peak_bytes
    return found


def _where() -> dict[str, Any]:
    thread = threading.current_thread()
    return {c.PROCESS_PID: os.getpid(), c.THREAD_NAME: thread.name, c.THREAD_ID: thread.ident or 0}
