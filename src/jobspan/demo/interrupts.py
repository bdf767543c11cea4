"""Ctrl-C and SIGTERM end the tour with everything stopped, and wait while a program that starts is being noted."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_depth = 0
_is_pending = False


@contextmanager
def interrupting_signals() -> Iterator[None]:
    """Turn both signals into ``KeyboardInterrupt``."""
    before = {number: signal.signal(number, _interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold the interrupt back until the end of the block: what the block starts is known by then."""
    global _depth  # noqa: PLW0603 - signal handlers know no other place
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0 and _is_pending:
            _raise()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    global _is_pending  # noqa: PLW0603 - signal handlers know no other place
    _is_pending = True
    if _depth == 0:
        _raise()


def _raise() -> None:
    global _is_pending  # noqa: PLW0603 - signal handlers know no other place
    _is_pending = False
    raise KeyboardInterrupt
