"""Ids cut to the shortest beginning that still names one thing in the backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from jobspan.backends.base import Match

SHORTEST = 4
_TOLD_AT_MOST = 20
_ASKED_AT_MOST = 100
_CROWDS = 3


class ShortIds:
    """Cuts ids; asks the backend once an id, less where an answer covers others.

    Args:
        find: ``Backend.find``: what begins with a prefix, at most 20.
    """

    def __init__(self, find: Callable[[str], Sequence[Match]]) -> None:
        self._find = find
        self._complete: dict[str, frozenset[str]] = {}
        self._crowded: set[str] = set()
        self._length = SHORTEST
        self._asked = 0

    def of(self, full: str | None) -> str:
        """Return the short form, at least four characters; whole where nothing shorter is safe, empty for None."""
        if not full:
            return ""
        prefix = self._answered(full) or self._ask(full)
        return _cut(full, len(prefix), self._complete[prefix]) if prefix else full

    def _answered(self, full: str) -> str | None:
        return next((prefix for prefix in self._complete if full.startswith(prefix)), None)

    def _ask(self, full: str) -> str | None:
        for length in range(self._length, len(full)):
            prefix = full[:length]
            if prefix in self._crowded:
                continue
            if self._asked == _ASKED_AT_MOST:
                return None
            if self._is_told_whole(prefix):
                return prefix
        return None

    def _is_told_whole(self, prefix: str) -> bool:
        self._asked += 1
        matches = self._find(prefix)
        if len(matches) < _TOLD_AT_MOST:
            self._complete[prefix] = frozenset(match.id for match in matches)
            return True
        self._crowded.add(prefix)
        # One crowd is a family of ids; several say that the store is large: the next question starts longer.
        if sum(len(crowd) == len(prefix) for crowd in self._crowded) == _CROWDS:
            self._length = len(prefix) + 1
        return False


def _cut(full: str, asked: int, others: Iterable[str]) -> str:
    # Nothing is known of what begins with less than was asked for.
    shared = max((_shared(full, other) for other in others if other != full), default=0)
    return full[: max(asked, shared + 1)]


def _shared(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
