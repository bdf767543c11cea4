"""How much memory runs took: their peak where it was measured, else the highest that was seen."""

from __future__ import annotations

from collections.abc import Iterable

from jobspan.named_tuple import NamedTuple
from jobspan.runs import Run


class Memory(NamedTuple):
    """Resident bytes; not a peak: seen at a start or end, the peak was at least that."""

    bytes: int
    is_peak: bool


def memory_of(run: Run) -> Memory | None:
    """Return a run's memory; None when nothing was measured."""
    if run.memory_peak_bytes is not None:
        return Memory(run.memory_peak_bytes, is_peak=True)
    ends = [seen for seen in (run.memory_start_bytes, run.memory_end_bytes) if seen is not None]
    return Memory(max(ends), is_peak=False) if ends else None


def highest_memory(runs: Iterable[Run]) -> Memory | None:
    """Return the highest of all runs."""
    return max((memory for run in runs if (memory := memory_of(run))), default=None)
