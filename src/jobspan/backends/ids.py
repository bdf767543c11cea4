"""Ids between the hex text that people see and the integers that the store keeps."""

from __future__ import annotations

from string import hexdigits

_TRACE_DIGITS, _SPAN_DIGITS = 32, 16


def trace_text(high: int, low: int) -> str:
    """Return a trace id as hex."""
    return f"{high:016x}{low:016x}"


def span_text(span_id: int) -> str:
    """Return a span id as hex."""
    return f"{span_id:016x}"


def trace_halves(trace_id: str) -> tuple[int, int]:
    """Return the two integers of a trace id in hex."""
    return int(trace_id[:_SPAN_DIGITS], 16), int(trace_id[_SPAN_DIGITS:], 16)


def trace_range(prefix: str) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the first and last trace id that begin with a prefix, as halves; None when none can."""
    if len(prefix) > _TRACE_DIGITS or not all(digit in hexdigits for digit in prefix):
        return None
    return trace_halves(prefix.ljust(_TRACE_DIGITS, "0")), trace_halves(prefix.ljust(_TRACE_DIGITS, "f"))
