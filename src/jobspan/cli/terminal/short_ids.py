"""Ids cut to the shortest beginning that still names one thing in the backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence


class ShortIds:
    """Cuts ids, and remembers how.

    Args:
        shorten: ``Backend.shorten``: the short form of each id.
    """

    def __init__(self, shorten: Callable[[Sequence[str]], Mapping[str, str]]) -> None:
        self._shorten = shorten
        self._cut: dict[str, str] = {}

    def expect(self, ids: Iterable[str | None]) -> None:
        """Ask for all of these in one question."""
        unknown = list(dict.fromkeys(full for full in ids if full and full not in self._cut))
        if unknown:
            self._cut |= self._shorten(unknown)

    def short(self, full: str | None) -> str:
        """Return the short form, at least four characters; whole where nothing shorter is safe, empty for None."""
        if not full:
            return ""
        self.expect([full])
        return self._cut.get(full, full)
