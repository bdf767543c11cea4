"""What a store must delete: spans older than the retention, and the oldest of a store above its maximum size.

The writer does it between two commits, a slice at a time, so that senders wait a moment at most. Each slice is one
transaction: killed in the middle of it, the store has all of the slice or nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobspan.server.storage.deletion import delete_before, moment_at, rows_before
from jobspan.server.storage.disk_space import checkpoint, disk_usage

if TYPE_CHECKING:
    from jobspan.server.storage.store import Store

SLICE_ROWS = 500_000
"""So many spans are deleted at once."""

_FULL, _TARGET = 0.85, 0.75
"""Deletion starts at the first part of the limit and stops at the second: writing needs space too."""

_PATIENCE = 10
"""After a deletion, the next begins at once only when so many checkpoints have freed no space."""

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
        """Delete one slice of what is too old or too much; say whether there may be more."""
        return self._too_old() or self._too_much()

    def _too_old(self) -> bool:
        keep_s, now_ns = self._retention.keep_s, self._now_ns()
        # A hundredth more than asked for is kept: many spans at once cost as much as a few.
        if keep_s is None or now_ns - self._aged_at_ns < keep_s * 10**7:
            return False
        if self._delete_slice(now_ns - keep_s * 10**9, together_ns=_TOGETHER_NS):
            return True
        self._aged_at_ns = now_ns
        return False

    def _too_much(self) -> bool:
        limit = self._retention.max_bytes
        if limit is None:
            return False
        if self._horizon_ns is None and not self._is_too_full(limit):
            return False
        if self._horizon_ns is not None and self._delete_slice(self._horizon_ns, together_ns=0):
            return True
        self._horizon_ns, self._checkpoints_left = None, _PATIENCE
        checkpoint(self._store.connection)
        return False

    def _is_too_full(self, limit: int) -> bool:
        """Look how full the store is, and set the horizon before which spans must go."""
        usage = disk_usage(self._store.connection)
        if usage.used_bytes + usage.log_bytes <= limit * _FULL:
            self._checkpoints_left = 0
            return False
        if usage.log_bytes or self._checkpoints_left:
            # The log is counted twice once it is in the file; and a reader may still hold deleted blocks.
            checkpoint(self._store.connection)
            usage = disk_usage(self._store.connection)
        if usage.used_bytes <= limit * _FULL or self._checkpoints_left:
            self._checkpoints_left = max(0, self._checkpoints_left - 1)
            return False
        self._horizon_ns = moment_at(self._store.connection, 1 - limit * _TARGET / usage.used_bytes)
        return True

    def _delete_slice(self, horizon_ns: int, *, together_ns: int) -> bool:
        """Delete what ended before, or its oldest slice; say whether that was not all."""
        rows = rows_before(self._store.connection, horizon_ns)
        if rows > self._slice_rows:
            slice_ns = moment_at(self._store.connection, self._slice_rows / self._store.count_spans())
            delete_before(self._store, min(slice_ns, horizon_ns), together_ns=0)
            return True
        delete_before(self._store, horizon_ns, together_ns=together_ns)
        if rows:
            self._store.delete_unused_resources()
        return False
