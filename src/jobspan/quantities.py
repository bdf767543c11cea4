"""A length of time and a size in bytes, as people write them: ``14d``, ``36h``, ``5GB``; ``off`` for no limit."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
_NUMBER_AND_UNIT = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.IGNORECASE)

SMALLEST_BYTES = 256 * 10**6
"""A store cannot be held to less: room is given back by the hundred thousand spans."""


def seconds_of(text: str) -> int | None:
    """Return the seconds of ``14d``; None for ``off``.

    Raises:
        ValueError: it is no length of time, or none at all; str() says what is expected.
    """
    found = None if _is_off(text) else _read(text.lower(), _SECONDS, "a length of time such as 14d or 36h, or off")
    if found is not None and found < 1:
        raise ValueError("a length of time of a second or more, or off")
    return found


def bytes_of(text: str) -> int | None:
    """Return the bytes of ``5GB``; None for ``off``.

    Raises:
        ValueError: it is no size, or too small a one; str() says what is expected.
    """
    found = None if _is_off(text) else _read(text.upper(), _BYTES, "a size such as 500MB or 5GB, or off")
    if found is not None and found < SMALLEST_BYTES:
        raise ValueError(f"a size of {SMALLEST_BYTES // 10**6}MB or more, or off")
    return found


def _is_off(text: str) -> bool:
    return text.strip().lower() == "off"


def _read(text: str, units: Mapping[str, int], expected: str) -> int:
    found = _NUMBER_AND_UNIT.fullmatch(text.strip())
    if found is None or found[2] not in units:
        raise ValueError(expected)
    return int(float(found[1]) * units[found[2]])
