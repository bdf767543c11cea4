"""The CPU time that a run used: its process's when it has it to itself, else its thread's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jobspan.events import CpuScope
from jobspan.probes.green import are_threads_green


class CpuClock:
    """Runs from now on; what it says would be a lie in greenlets, and in another thread than it was started in."""

    __slots__ = ("_now_s", "_start_s", "_thread")

    def __init__(self, scope: CpuScope) -> None:
        self._thread: int | None = None
        self._now_s: Callable[[], float] | None = None
        if scope is CpuScope.PROCESS:
            self._now_s = time.process_time
        elif scope is CpuScope.THREAD and not are_threads_green():
            self._now_s, self._thread = time.thread_time, threading.get_ident()
        self._start_s = 0.0 if self._now_s is None else self._now_s()

    def used_s(self) -> float | None:
        """Return the seconds since; None where they are not the run's."""
        if self._now_s is None or (self._thread is not None and self._thread != threading.get_ident()):
            return None
        return self._now_s() - self._start_s
