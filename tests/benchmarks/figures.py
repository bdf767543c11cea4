"""What a benchmark says: a figure with its spread, and the aim that it is held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Figure:
    """A median with its quartiles; ``aim`` is the most that it should be, or the least when ``is_least``."""

    group: str
    name: str
    unit: str
    median: float
    low: float
    high: float
    samples: int
    aim: float | None = None
    is_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Say whether the median is within its aim; None without one."""
        if self.aim is None:
            return None
        return self.median >= self.aim if self.is_least else self.median <= self.aim


def figure(
    group: str, name: str, unit: str, values: Iterable[float], *, aim: float | None = None, is_least: bool = False
) -> Figure:
    """Return the figure of some measured values."""
    found = sorted(values)
    low, _, high = quantiles(found, n=4) if len(found) > 1 else found * 3
    return Figure(group, name, unit, median(found), low, high, len(found), aim, is_least)
