"""What a run costs: its CPU time and memory, exact while it is alone in its process, and how many ran beside it."""

from __future__ import annotations

from enum import Enum
from weakref import ref

from jobspan import forks
from jobspan.events import CpuScope
from jobspan.named_tuple import NamedTuple
from jobspan.probes.cpu import CpuClock
from jobspan.probes.high_water import high_water, lifetime_bytes
from jobspan.probes.memory import resident_bytes
from jobspan.probes.sampler import EACH_SECOND, NEVER, OFTEN, Sampler


class Source(Enum):
    """Where a peak comes from: the kernel's mark, readings and what the mark says besides, or there is none."""

    EXACT = "exact"
    SAMPLED = "sampled"
    PROCESS = "process"


class Memory(NamedTuple):
    """Resident set of the process when a run began and ended, and at its highest; a peak that is sampled is a floor."""

    start_bytes: int
    end_bytes: int
    peak_bytes: int | None
    source: Source


# One without a reference left will not be ended. No Python runs when it goes: an interrupt would be lost in it.
_open: set[ref[RunCost]] = set()


class RunCost:
    """Counts a run among the open ones from ``begin`` to ``end``.

    Memory of one process is not divided among its runs, so the mark is reset only for a run that is alone, and is
    exact only for one that stayed so.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_highest_bytes",
        "_is_reset",
        "_is_sampled",
        "_mark_bytes",
        "at_once",
        "every_s",
        "start_bytes",
    )

    def __init__(self) -> None:
        self.at_once = 0
        self.start_bytes: int | None = None
        self.every_s = NEVER
        self._clock: CpuClock | None = None
        self._highest_bytes = 0
        self._is_reset = self._is_sampled = False
        self._mark_bytes: int | None = None

    def begin(self) -> None:
        """Count it; nothing is measured yet."""
        _open.add(ref(self, _open.discard))
        at_once = len(_open)
        for run in _runs() if at_once > 1 else (self,):
            run.at_once = max(run.at_once, at_once)

    def measure_cpu(self, scope: CpuScope) -> None:
        """Measure CPU time from now on."""
        self._clock = CpuClock(scope)

    def measure_memory(self, *, may_reset: bool, limit_bytes: int | None = None) -> None:
        """Measure memory from now on.

        Args:
            may_reset: the mark may be reset.
            limit_bytes: a mark above it must stay: the library ends such a process after the run.
        """
        self.start_bytes = resident_bytes()
        if self.start_bytes is None:
            return
        if may_reset and self.at_once == 1 and not _is_above(limit_bytes):
            self._is_reset = high_water.reset()
        if not self._is_reset:
            self._mark_bytes = lifetime_bytes()
            self.every_s = OFTEN
            self._is_sampled = sampler.need(OFTEN)

    def measure_each_second(self) -> None:
        """Have readings taken for the flight record."""
        self.every_s = min(self.every_s, EACH_SECOND)
        sampler.need(EACH_SECOND)

    def take_reading(self, resident_bytes: int) -> None:
        """Take a reading."""
        self._highest_bytes = max(self._highest_bytes, resident_bytes)

    def cpu_s(self) -> float | None:
        """Return the CPU time used until now; None where it cannot be measured."""
        return None if self._clock is None else self._clock.used_s()

    def memory(self) -> Memory | None:
        """Return the memory used until now; None where it was not measured. Ask before ``end``."""
        start, end = self.start_bytes, resident_bytes()
        if start is None or end is None:
            return None
        seen = max(start, end, self._highest_bytes)
        if self._is_reset:
            mark = high_water.read()
            # Read last: a run that begins while the mark is read leaves it alone.
            source = Source.EXACT if mark is not None and self.at_once == 1 else Source.SAMPLED
            return Memory(start, end, max(seen, mark or 0), source)
        mark = lifetime_bytes()
        if mark is not None and self._mark_bytes is not None and mark > self._mark_bytes:
            seen = max(seen, mark)  # it rose meanwhile
        return (
            Memory(start, end, seen, Source.SAMPLED) if self._is_sampled else Memory(start, end, None, Source.PROCESS)
        )

    def end(self) -> None:
        """Count it no more."""
        _open.discard(ref(self))


def are_open() -> bool:
    """Say whether a run is open in this process."""
    return bool(_runs())


def _is_above(limit_bytes: int | None) -> bool:
    return limit_bytes is not None and (lifetime_bytes() or 0) > limit_bytes


def _needed_s() -> float:
    return min((run.every_s for run in _runs()), default=NEVER)


def _take(_: int, resident_bytes: int) -> None:
    for run in _runs():
        run.take_reading(resident_bytes)


def _runs() -> list[RunCost]:
    return [run for found in list(_open) if (run := found())]


sampler = Sampler(_needed_s, _take)

forks.join("run costs", in_child=_open.clear)
