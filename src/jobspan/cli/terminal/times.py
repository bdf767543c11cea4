"""Points in time: what a user types for them, and how they are printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from jobspan.errors import UsageError

_SECOND_NS = 1_000_000_000
_LATEST_NS = 2**63 - 1
_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNIT_WORDS = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week"}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(min|[smhdw])", re.IGNORECASE)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_EXPECTED = "30m, 1h, 2d, today, yesterday, 03:00, 2026-03-01 or 2026-03-01T03:00"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time and the words for "since then": ``in the last hour``, ``since yesterday``."""

    at_ns: int
    words: str


@dataclass(frozen=True, slots=True)
class Clock:
    """Now, and the time zone that times are read and printed in; ``zone`` None: the machine's own."""

    now_ns: int
    zone: tzinfo | None = None

    def local(self, at_ns: int) -> datetime:
        """Return the time in this clock's zone, cut to microseconds."""
        seconds, rest = divmod(at_ns, _SECOND_NS)
        return (datetime.fromtimestamp(seconds, timezone.utc) + timedelta(microseconds=rest // 1000)).astimezone(
            self.zone
        )

    def stamp(self, at_ns: int) -> str:
        """Return ``03:12:41`` today, ``Nov 21 03:12:41`` this year, ``2025-11-21 03:12:41`` before; ``Z`` for UTC."""
        at, now = self.local(at_ns), self.local(self.now_ns)
        mark = "Z" if self.zone is timezone.utc else ""
        if at.date() == now.date():
            return at.strftime("%H:%M:%S") + mark
        if at.year == now.year:
            return at.strftime("%b %d %H:%M:%S") + mark
        return at.strftime("%Y-%m-%d %H:%M:%S") + mark

    def read(self, text: str) -> Moment:
        """Return the moment that a user typed.

        ``30s``, ``30m``, ``1h``, ``2d``, ``1w`` ago (also together: ``1h30m``); ``today`` and ``yesterday`` (the
        midnight that began it), ``now``, a clock time of today, an ISO date or time; those without an offset in
        this clock's zone.

        Raises:
            UsageError: none of these.
        """
        typed = text.strip().lower()
        if typed in {"now", "today", "yesterday"}:
            return self._named(typed)
        if _SPAN.sub("", typed).strip() == "" and typed:
            return self._ago(typed)
        if _CLOCK.fullmatch(typed):
            typed = f"{self.local(self.now_ns).date().isoformat()}T{typed.zfill(5 if typed.count(':') == 1 else 8)}"
        return self._iso(typed, text)

    def _named(self, word: str) -> Moment:
        if word == "now":
            return Moment(self.now_ns, "since now")
        day = self.local(self.now_ns).date() - timedelta(days=word == "yesterday")
        return Moment(self._midnight(day), f"since {word}" if word == "yesterday" else "today")

    def _ago(self, typed: str) -> Moment:
        parts = [(float(amount), unit.lower()) for amount, unit in _SPAN.findall(typed)]
        seconds = min(sum(amount * _UNITS_S[unit] for amount, unit in parts), self.now_ns / _SECOND_NS)
        words = " ".join(_amount(amount, unit) for amount, unit in parts)
        return Moment(self.now_ns - round(seconds * _SECOND_NS), f"in the last {words.removeprefix('1 ')}")

    def _iso(self, typed: str, text: str) -> Moment:
        # Before Python 3.11 fromisoformat does not know the letter Z.
        plain = typed.upper().replace("Z", "+00:00")
        try:
            at = datetime.fromisoformat(plain)
        except ValueError:
            raise UsageError(f"{text!r} is no time that I can read; expected {_EXPECTED}") from None
        if at.tzinfo is None:
            at = self._in_zone(at)
        return Moment(_unix_nano(at), f"since {text.strip()}")

    def _midnight(self, day: date) -> int:
        return _unix_nano(self._in_zone(datetime.combine(day, time())))

    def _in_zone(self, naive: datetime) -> datetime:
        return naive.replace(tzinfo=self.zone) if self.zone else naive.astimezone()


def iso(at_ns: int) -> str:
    """Return a time as ISO 8601 in UTC with all nine digits of its nanoseconds."""
    seconds, rest = divmod(at_ns, _SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _amount(amount: float, unit: str) -> str:
    return f"{amount:g} {_UNIT_WORDS[unit]}{'' if amount == 1 else 's'}"


def _unix_nano(at: datetime) -> int:
    since_epoch = at - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return min(max(since_epoch // timedelta(microseconds=1) * 1000, 0), _LATEST_NS)
