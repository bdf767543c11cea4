"""Ids between the text that people see and the integers that the store keeps and finds quickly."""

from __future__ import annotations

from collections.abc import Sequence
from string import hexdigits

SHORTEST = 4
"""The least characters that an id is cut to, and that may be typed of it."""

_TRACE_DIGITS, _SPAN_DIGITS = 32, 16
_HEAD_DIGITS = 8


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


def is_command_id(text: str) -> bool:
    """Say whether a text is the whole id of a command, and so no name."""
    return len(text) == _SPAN_DIGITS and all(digit in hexdigits for digit in text)


def heads(prefix: str) -> tuple[int, int]:
    """Return the first and last head of ids that begin with a prefix.

    A head is the number that an id's first eight hex digits make, 0 where they are something else: few ids share one,
    and a column of numbers is read in a fraction of the time that texts take.
    """
    first = prefix[:_HEAD_DIGITS]
    if not all(digit in hexdigits for digit in first):
        return 0, 0
    return int(first.ljust(_HEAD_DIGITS, "0"), 16), int(first.ljust(_HEAD_DIGITS, "f"), 16)


def head_sql(column: str) -> str:
    """Return the SQL for the head of a column's id; NULL of NULL."""
    first = f"substr({column}, 1, {_HEAD_DIGITS})"
    number = f"('0x' || rpad({first}, {_HEAD_DIGITS}, '0'))::UINTEGER"
    is_hex = f"regexp_full_match({first}, '[0-9a-fA-F]+')"
    return f"CASE WHEN {is_hex} THEN {number} WHEN {column} IS NOT NULL THEN 0 END"


def cut(full: str, others: Sequence[str], at_least: int = SHORTEST) -> str:
    """Return the beginning of an id that none of the others shares; whole when another continues it."""
    shared = max((_shared(full, other) for other in others), default=0)
    return full[: max(at_least, shared + 1)]


def _shared(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
