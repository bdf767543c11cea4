"""The spans that are open in this process, by the key of the event that opened them; bounded."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Generic, TypeVar

from jobspan import forks
from jobspan.recording.safety import dropped

_MOST = 10_000
_tables: weakref.WeakSet[OpenSpans[object]] = weakref.WeakSet()

T = TypeVar("T")


class OpenSpans(Generic[T]):
    """What was begun and not yet ended. An entry that never ends is dropped, oldest first, past 10,000."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, T] = {}
        _tables.add(self)  # type: ignore[arg-type]  # a set of tables of any kind

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, key: Hashable, entry: T) -> None:
        """Remember an entry under its key."""
        if len(self._entries) >= _MOST:
            self._entries.pop(next(iter(self._entries)), None)
            dropped.count(dropped.TABLE_FULL, f"more than {_MOST} spans are open in this process")
        self._entries[key] = entry

    def get(self, key: Hashable) -> T | None:
        """Return the entry of a key and keep it; None when nothing was begun under it."""
        return self._entries.get(key)

    def take(self, key: Hashable) -> T | None:
        """Remove and return the entry of a key; None when nothing was begun under it."""
        return self._entries.pop(key, None)

    def all(self) -> list[T]:
        """Return all entries, the oldest first."""
        return list(self._entries.values())

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()


def _forget() -> None:
    # A span open at a fork is the parent's to end: a child that ended it too would export it twice.
    for table in list(_tables):
        table.clear()


forks.join("open spans", in_child=_forget)
