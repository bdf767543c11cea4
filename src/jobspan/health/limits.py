"""From when on a queue is not healthy: the defaults, and how a user writes others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from jobspan.errors import UsageError

CRITICAL_TIMES = 5
"""Past a limit is a warning, past so many times of it critical."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?", re.IGNORECASE)
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_EXPECTED = "expected [QUEUE:] waiting=1000, failed=100, oldest=10m, p95=30s, workers=1 (or off), rules apart by ;"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one queue may have. None: no limit.

    Attributes:
        waiting: ready jobs.
        failed: failed runs in the window.
        oldest_s: wait of the job that is next, in seconds.
        p95_s: 95th percentile of run times in the window, in seconds.
        workers: workers at least, while jobs are ready.
    """

    waiting: int | None = 1000
    failed: int | None = 100
    oldest_s: float | None = 600.0
    p95_s: float | None = None
    workers: int | None = 1


@dataclass(frozen=True, slots=True)
class _Rule:
    queue: str
    changes: dict[str, Any]


class LimitRules:
    """Limits by queue.

    Args:
        texts: ``waiting=5000`` for every queue, ``billing: waiting=50, oldest=1m`` for one, ``*`` and ``?`` match;
            several in one text with ``;`` between. The last one that matches holds.

    Raises:
        UsageError: a text that is none of these.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._rules = [_read(rule) for text in texts for rule in text.split(";") if rule.strip()]

    def limits_for(self, queue: str) -> Limits:
        """Return the limits of a queue."""
        limits = Limits()
        for rule in self._rules:
            if fnmatchcase(queue, rule.queue):
                limits = replace(limits, **rule.changes)
        return limits

    @property
    def ask_for_run_times(self) -> bool:
        """Some queue has a limit on its run times."""
        return any(rule.changes.get("p95_s") is not None for rule in self._rules)


def _read(rule: str) -> _Rule:
    queue, colon, pairs = rule.rpartition(":")
    changes = dict(_change(pair, rule) for pair in pairs.split(","))
    return _Rule(queue.strip() if colon else "*", changes)


def _change(pair: str, rule: str) -> tuple[str, Any]:
    name, equals, text = (part.strip() for part in pair.partition("="))
    if not equals or name not in _READERS:
        raise UsageError(f"{rule.strip()!r} is no limit that I can read, at {pair.strip()!r}; {_EXPECTED}")
    field, read = _READERS[name]
    if text.lower() == "off":
        return field, None
    try:
        return field, read(text)
    except ValueError:
        raise UsageError(f"{name}={text} is no limit that I can read; {_EXPECTED}") from None


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(text)
    return int(text)


def _duration_s(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return float(found[1]) * _UNITS_S[(found[2] or "s").lower()]


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "waiting": ("waiting", _count),
    "failed": ("failed", _count),
    "oldest": ("oldest_s", _duration_s),
    "p95": ("p95_s", _duration_s),
    "workers": ("workers", _count),
}
