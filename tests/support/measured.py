"""What the metrics of all processes of a test say together: the last point of each series of each process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from support.otlp_values import Histogram, Point

INSTANCE = "service.instance.id"


def last_points(points: Iterable[Point], metric: str) -> list[Point]:
    """Return the last point of each series of each process."""
    found: dict[tuple[Any, ...], Point] = {}
    for point in points:
        if point.name == metric:
            key = (point.origin.resource[INSTANCE], *sorted(point.attributes.items(), key=str))
            if key not in found or found[key].time_ns <= point.time_ns:
                found[key] = point
    return list(found.values())


def sums(points: Iterable[Point], metric: str, *attributes: str) -> Counter[tuple[Any, ...]]:
    """Return how often each combination of these attributes was counted, over all processes."""
    found: Counter[tuple[Any, ...]] = Counter()
    for point in last_points(points, metric):
        value = point.value.count if isinstance(point.value, Histogram) else int(point.value)
        found[tuple(point.attributes.get(name) for name in attributes)] += value
    return found
