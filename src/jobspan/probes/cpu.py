"""The CPU clock that tells what a run used: the process's when it has it to itself, else its thread's."""

from __future__ import annotations

import time
from collections.abc import Callable

from jobspan.events import CpuScope

_CLOCKS: dict[CpuScope, Callable[[], float]] = {
    CpuScope.PROCESS: time.process_time,
    CpuScope.THREAD: time.thread_time,
}


def clock_of(scope: CpuScope) -> Callable[[], float] | None:
    """Return a clock in seconds whose difference is the run's CPU time; None where it would lie."""
    return _CLOCKS.get(scope)
