"""Exceptions that a library raises from outside, whatever line runs: code that catches everything raises them again."""

from __future__ import annotations

_kinds: set[type[BaseException]] = set()


def register_interrupt(kind: type[BaseException]) -> None:
    """Never swallow exceptions of this kind."""
    _kinds.add(kind)


def is_interrupt(error: BaseException) -> bool:
    """Say whether an exception is no error of the code that it left."""
    return not isinstance(error, Exception) or isinstance(error, tuple(_kinds))
