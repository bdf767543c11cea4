"""Which keys of a pattern a Redis database has, found in small steps that do not block it."""

from __future__ import annotations

from typing import Any

_KEYS_A_STEP = 1000
_STEPS_A_LOOK = 4


class KeySweep:
    """SCANs for a pattern: the whole database at first, then a few steps a look, over and over."""

    def __init__(self, client: Any, pattern: str) -> None:
        self._client, self._pattern = client, pattern
        self._cursor = 0
        self._going: set[str] = set()
        self._found: frozenset[str] | None = None

    def keys(self) -> frozenset[str]:
        """Go on, and return the keys of the last sweep that came to its end."""
        steps = 0
        while self._found is None or steps < _STEPS_A_LOOK:
            steps += 1
            if self._step():
                break
        return self._found or frozenset()

    def _step(self) -> bool:
        self._cursor, keys = self._client.scan(self._cursor, match=self._pattern, count=_KEYS_A_STEP)
        self._going.update(text(key) for key in keys)
        if self._cursor:
            return False
        self._found, self._going = frozenset(self._going), set()
        return True


def text(value: bytes) -> str:
    """Return a key or member as text, whatever bytes it is of."""
    return value.decode("utf-8", "backslashreplace")
