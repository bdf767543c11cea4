"""What a store must let go of: spans older than is kept, and the oldest of more than there is room for.

The writer does it between two commits, a slice at a time, so that senders wait a moment at most. Each slice is one
transaction: killed in the middle of it, the store has all of the slice or nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobspan.server.storage.deletion import forget_before, moment_at, rows_before
from jobspan.server.storage.disk_space import make_room_free, room_of

if TYPE_CHECKING:
    from jobspan.server.storage.store import Store

SLICE_ROWS = 500_000
"""So many spans go at once."""

_FULL, _ROOMY = 0.85, 0.75
"""Spans go when the store has the first part of its limit, until it has the second: writing needs room too."""

_PATIENCE = 10
"""After spans went, more go at once only when so many further checkpoints gave back no room."""

_TOGETHER_NS = 86_400 * 10**9
"""A trace that goes on within a day of the horizon keeps its spans of the day before it."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much a store keeps.

    Attributes:
        keep_s: seconds since a span ended; None: for ever.
        max_bytes: of the file and its log; None: no limit.
    """

    keep_s: int | None = None
    max_bytes: int | None = None


KEEP_ALL = Retention()


class Cleaner:
    """Holds a store to its retention; called by the one thread that writes."""

    def __init__(
        self,
        store: Store,
        retention: Retention,
        now_ns: Callable[[], int] = time.time_ns,
        slice_rows: int = SLICE_ROWS,
    ) -> None:
        self._store = store
        self._retention = retention
        self._now_ns = now_ns
        self._slice_rows = slice_rows
        self._aged_at_ns = 0
        self._horizon_ns: int | None = None
        self._checkpoints_left = 0

    def step(self) -> bool:
        """Let go of one slice of what is too old or too much; say whether there may be more."""
        return self._too_old() or self._too_much()

    def _too_old(self) -> bool:
        keep_s, now_ns = self._retention.keep_s, self._now_ns()
        # A hundredth more than asked for is kept: many spans at once cost as much as a few.
        if keep_s is None or now_ns - self._aged_at_ns < keep_s * 10**7:
            return False
        if self._forget(now_ns - keep_s * 10**9, together_ns=_TOGETHER_NS):
            return True
        self._aged_at_ns = now_ns
        return False

    def _too_much(self) -> bool:
        limit = self._retention.max_bytes
        if limit is None:
            return False
        if self._horizon_ns is None and not self._found_too_much(limit):
            return False
        if self._horizon_ns is not None and self._forget(self._horizon_ns, together_ns=0):
            return True
        self._horizon_ns, self._checkpoints_left = None, _PATIENCE
        make_room_free(self._store.connection)
        return False

    def _found_too_much(self, limit: int) -> bool:
        """Look how full the store is, and set the horizon before which spans must go."""
        room = room_of(self._store.connection)
        if room.used_bytes + room.log_bytes <= limit * _FULL:
            self._checkpoints_left = 0
            return False
        if room.log_bytes or self._checkpoints_left:
            # The log is counted twice once it is in the file; and whoever reads may hold what has gone.
            make_room_free(self._store.connection)
            room = room_of(self._store.connection)
        if room.used_bytes <= limit * _FULL or self._checkpoints_left:
            self._checkpoints_left = max(0, self._checkpoints_left - 1)
            return False
        self._horizon_ns = moment_at(self._store.connection, 1 - limit * _ROOMY / room.used_bytes)
        return True

    def _forget(self, horizon_ns: int, *, together_ns: int) -> bool:
        """Let go of what ended before, or of its oldest slice; say whether that was not all."""
        rows = rows_before(self._store.connection, horizon_ns)
        if rows > self._slice_rows:
            slice_ns = moment_at(self._store.connection, self._slice_rows / self._store.count_spans())
            forget_before(self._store, min(slice_ns, horizon_ns), together_ns=0)
            return True
        forget_before(self._store, horizon_ns, together_ns=together_ns)
        if rows:
            self._store.forget_resources()
        return False
