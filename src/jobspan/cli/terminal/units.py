"""Numbers with their units: durations, bytes and counted things."""

from __future__ import annotations

import math
from collections.abc import Iterable

_DURATIONS = ((120.0, 1.0, "s"), (7200.0, 60.0, "min"), (172_800.0, 3600.0, "h"), (math.inf, 86_400.0, "d"))
_BYTES = ("B", "kB", "MB", "GB", "TB", "PB")
_ONE_DECIMAL_BELOW = 10
_MILLISECOND_S = 0.001
_AS_MILLISECONDS_BELOW_S = 0.0995
_NEXT_SIZE_FROM = 999.5
"""A value that would round up to the next unit is written in that unit."""


def duration(seconds: float | None) -> str:
    """Return ``23 ms``, ``0.3 s``, ``41 s``, ``2.5 min``, ``12 min``, ``3 h``, ``4 d``; empty for None."""
    if seconds is None:
        return ""
    if seconds <= 0:
        return "0 s"
    if seconds < _MILLISECOND_S:
        return "<1 ms"
    if seconds < _AS_MILLISECONDS_BELOW_S:
        return f"{seconds * 1000:.0f} ms"
    unit_s, unit = next((unit_s, unit) for below, unit_s, unit in _DURATIONS if seconds < below)
    return f"{_short(seconds / unit_s, whole=unit != 's')} {unit}"


def size(count: float | None) -> str:
    """Return ``512 B``, ``84 MB``, ``2.1 GB`` (powers of 1000); empty for None."""
    if count is None:
        return ""
    amount, step = float(count), 0
    while amount >= _NEXT_SIZE_FROM and step < len(_BYTES) - 1:
        amount, step = amount / 1000, step + 1
    return f"{_short(amount, whole=step == 0)} {_BYTES[step]}"


def counted(count: int, word: str, plural: str | None = None) -> str:
    """Return ``1 job``, ``41 jobs``, ``2 retries``."""
    return f"{count} {word if count == 1 else plural or word + 's'}"


def listed(parts: Iterable[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    *most, last = list(parts)
    return f"{', '.join(most)} and {last}" if most else last


def _short(amount: float, *, whole: bool) -> str:
    if round(amount, 1) >= _ONE_DECIMAL_BELOW:
        return f"{amount:.0f}"
    text = f"{amount:.1f}"
    return text.removesuffix(".0") if whole else text
