"""The one thread of a process that reads its memory while runs are open that need it."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

from jobspan import forks
from jobspan.probes.green import real_threads
from jobspan.probes.memory import resident_bytes

NEVER, EACH_SECOND, OFTEN = math.inf, 1.0, 0.1
"""Seconds between two readings: none are needed, the flight record wants them, a peak is looked for."""

_LINGERS = {OFTEN: 10, EACH_SECOND: 2}
"""Readings that it goes on for when nothing needs them, so that short runs do not wake it one by one."""

Reading = Callable[[int, int], None]

_all: weakref.WeakSet[Sampler] = weakref.WeakSet()


class Sampler:
    """Sleeps until a run needs readings, and again when none has for a while.

    It is a real thread also where greenlets replace threads, so that a greenlet that computes does not stop it and
    none waits for it. It holds no lock of the application's and does not keep the process alive.

    Args:
        needed: says how often readings are needed now.
        taken: takes each, with the time in Unix ns.
    """

    def __init__(self, needed: Callable[[], float], taken: Reading) -> None:
        self._needed, self._taken = needed, taken
        self._each_second: list[Reading] = []
        self._every_s: float = NEVER
        self.begin_anew()
        _all.add(self)

    def begin_anew(self) -> None:
        """Have no thread: in a forked child the parent's is gone."""
        self._bell: Any = None
        self._every_s = NEVER
        self._is_possible = True
        self._to_start = [True]

    def call_each_second(self, reading: Reading) -> None:
        """Call this once a second as well."""
        if reading not in self._each_second:
            self._each_second.append(reading)

    def need(self, every_s: float) -> bool:
        """See to it that readings are taken so often; False where they are not to be had."""
        if every_s >= self._every_s:
            return True
        if not (self._bell is not None or self._start()) or not self._is_possible:
            return False
        self._every_s = every_s
        if self._bell is not None:  # else another run is starting the thread at this moment
            # It may be awake already, or have been woken by another run.
            with contextlib.suppress(RuntimeError):
                self._bell.release()
        return True

    def _start(self) -> bool:
        try:
            self._to_start.pop()  # one of all threads gets it
        except IndexError:
            return self._is_possible
        self._is_possible = self._has_started()
        return self._is_possible

    def _has_started(self) -> bool:
        threads = real_threads()
        if threads is None or sys.platform != "linux":
            return False
        bell = threads.lock()
        bell.acquire()
        try:
            self._bell = bell
            threads.start(self._sample, ())
        except RuntimeError:  # no more threads to be had
            return False
        return True

    def _sample(self) -> None:
        bell, lingered, second_s = self._bell, 0, 0.0
        # The process may end meanwhile, and with it all that is used here.
        with contextlib.suppress(Exception):
            # The application's signal handlers belong to its own threads.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            while True:
                bell.acquire(timeout=-1 if self._every_s == NEVER else self._every_s)
                now_s = time.monotonic()
                is_second = now_s - second_s >= EACH_SECOND - OFTEN / 2
                second_s = now_s if is_second else second_s
                self._read(is_second=is_second)
                lingered = self._keep_pace(lingered)

    def _read(self, *, is_second: bool) -> None:
        resident = resident_bytes()
        if resident is None:
            return
        at_ns = time.time_ns()
        self._taken(at_ns, resident)
        if is_second:
            for take in self._each_second:
                take(at_ns, resident)

    def _keep_pace(self, lingered: int) -> int:
        """Read as often as is needed, and for a while as often as was; return for how many readings by now."""
        needed = self._needed()
        if needed > self._every_s and lingered < _LINGERS.get(self._every_s, 0):
            return lingered + 1
        self._every_s = needed
        # A run that began between these two lines has not woken this thread.
        self._every_s = min(needed, self._needed())
        return 0


def _begin_anew() -> None:
    for sampler in list(_all):
        sampler.begin_anew()


forks.join("sampler", in_child=_begin_anew)
