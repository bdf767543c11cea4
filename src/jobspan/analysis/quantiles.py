"""Quantiles by nearest rank: always a value that was really seen."""

from __future__ import annotations

from collections.abc import Iterable

from jobspan.named_tuple import NamedTuple


class Spread(NamedTuple):
    """Median and 95th percentile of the same values."""

    p50: float
    p95: float


def spread(values: Iterable[float]) -> Spread | None:
    """Return p50 and p95; None of no values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Spread(nearest_rank(ordered, 50), nearest_rank(ordered, 95))


def nearest_rank(ordered: list[float], percent: int) -> float:
    """Return the smallest value that at least ``percent`` of all values do not exceed.

    Nearest-rank method: the value at place ceil(percent / 100 * n) of n ascending values, counted from 1.
    """
    place = -(-percent * len(ordered) // 100)
    return ordered[max(place, 1) - 1]
