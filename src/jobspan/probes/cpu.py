"""The CPU time that a run used: its process's when it has it to itself, else its thread's."""

from __future__ import annotations

import threading
import time

from jobspan.events import CpuScope
from jobspan.probes.green import are_threads_green


class CpuClock:
    """Runs from now on; what it says would be a lie in greenlets, and in another thread than it was started in."""

    __slots__ = ("_scope", "_start_s", "_thread")

    def __init__(self, scope: CpuScope) -> None:
        if scope is CpuScope.THREAD and are_threads_green():
            scope = CpuScope.UNKNOWN
        self._scope = scope
        self._thread = threading.get_ident()
        self._start_s = _now_s(scope)

    def used_s(self) -> float | None:
        """Return the seconds since; None where they are not the run's."""
        if self._scope is CpuScope.UNKNOWN:
            return None
        if self._scope is CpuScope.THREAD and threading.get_ident() != self._thread:
            return None
        return _now_s(self._scope) - self._start_s


def _now_s(scope: CpuScope) -> float:
    if scope is CpuScope.UNKNOWN:
        return 0.0
    return time.process_time() if scope is CpuScope.PROCESS else time.thread_time()
