"""How many runs were open at once, over a stretch of time cut into equal buckets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Interval = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The highest number of open runs in each bucket, from ``start_ns`` to ``end_ns``."""

    start_ns: int
    end_ns: int
    open_runs: tuple[int, ...]

    @property
    def highest(self) -> int:
        """Most runs open at once."""
        return max(self.open_runs)


def open_at_once(intervals: Iterable[Interval], window: Interval, buckets: int) -> Timeline:
    """Count what is open in each bucket of ``window``; an interval is half-open, so one of no length counts nowhere."""
    start, end = window
    highest = [0] * buckets
    level, since = 0, start
    for at, step in _edges(intervals, window):
        if at > since:
            _raise_to(highest, level, first=_bucket(since, window, buckets), last=_bucket(at - 1, window, buckets))
        level, since = level + step, at
    return Timeline(start, end, tuple(highest))


def _edges(intervals: Iterable[Interval], window: Interval) -> list[tuple[int, int]]:
    start, end = window
    clipped = [(max(a, start), min(b, end)) for a, b in intervals]
    inside = [(a, b) for a, b in clipped if b > a]
    return sorted([(a, 1) for a, _ in inside] + [(b, -1) for _, b in inside])


def _bucket(at: int, window: Interval, buckets: int) -> int:
    start, end = window
    return min((at - start) * buckets // max(end - start, 1), buckets - 1)


def _raise_to(highest: list[int], level: int, *, first: int, last: int) -> None:
    for index in range(first, last + 1):
        highest[index] = max(highest[index], level)
