"""What senders said in the last hour that they could not record: the increase of ``jobspan.telemetry.dropped``."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Any

from jobspan import conventions as c
from jobspan.server.receive.span_rows import attributes_of
from jobspan.server.storage.batch import DropPoint

WINDOW_S = 3600.0
_MOST_SERIES = 10_000
_DELTA = 1


def drop_points(metric: Any, sender: str) -> Iterator[DropPoint]:
    """Yield the points of an OTLP metric that are counts of drops."""
    if metric.name != c.METRIC_TELEMETRY_DROPPED or metric.WhichOneof("data") != "sum":
        return
    is_delta = metric.sum.aggregation_temporality == _DELTA
    for point in metric.sum.data_points:
        reason = str(attributes_of(point.attributes).get(c.REASON, "unknown"))
        yield DropPoint(sender, reason, int(point.as_int or point.as_double), point.start_time_unix_nano, is_delta)


class Drops:
    """Adds up what every sender reports.

    Args:
        now_ns: a clock, Unix nanoseconds.
    """

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns, self._born_ns = now_ns, now_ns()
        self._last: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._increases: deque[tuple[int, str, int]] = deque(maxlen=_MOST_SERIES)
        self._lock = Lock()

    def add(self, points: Iterable[DropPoint]) -> None:
        """Note how much each count has grown."""
        with self._lock:
            for point in points:
                grown = point.events if point.is_delta else self._growth(point)
                if grown > 0:
                    self._increases.append((self._now_ns(), point.reason, grown))

    def recent(self) -> dict[str, int]:
        """Return the events of the last hour by reason."""
        since_ns = self._now_ns() - int(WINDOW_S * 1e9)
        found = Counter[str]()
        with self._lock:
            for at_ns, reason, grown in self._increases:
                if at_ns >= since_ns:
                    found[reason] += grown
        return dict(found)

    def _growth(self, point: DropPoint) -> int:
        series = (point.sender, point.reason)
        # What a sender had counted before we were there may be of any age.
        before = self._last.pop(series, 0 if point.since_ns >= self._born_ns else point.events)
        self._last[series] = point.events
        if len(self._last) > _MOST_SERIES:
            self._last.popitem(last=False)
        return point.events - before if point.events >= before else point.events
