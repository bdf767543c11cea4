"""Times that users type, and times that are printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timezone

import pytest

from jobspan.cli.terminal.times import Clock, Moment, iso
from jobspan.errors import UsageError
from unit.analysis.story import SECOND, at

_UTC = Clock(at("03:20:00"), timezone.utc)
_DAY = 86_400 * SECOND


@pytest.fixture
def kolkata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The machine's zone is five and a half hours ahead: 03:20 UTC is 08:50 there."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "IST-5:30")
        time.tzset()
        yield Clock(at("03:20:00"))
    time.tzset()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("1h", Moment(at("02:20:00"), "in the last hour")),
        ("30m", Moment(at("02:50:00"), "in the last 30 minutes")),
        ("90s", Moment(at("03:18:30"), "in the last 90 seconds")),
        ("1H 30min", Moment(at("01:50:00"), "in the last hour 30 minutes")),
        ("1.5h", Moment(at("01:50:00"), "in the last 1.5 hours")),
        ("2d", Moment(at("03:20:00") - 2 * _DAY, "in the last 2 days")),
        ("1w", Moment(at("03:20:00") - 7 * _DAY, "in the last week")),
        ("now", Moment(at("03:20:00"), "since now")),
        ("today", Moment(at("00:00:00"), "today")),
        ("yesterday", Moment(at("00:00:00") - _DAY, "since yesterday")),
        ("03:00", Moment(at("03:00:00"), "since 03:00")),
        ("3:05:07", Moment(at("03:05:07"), "since 3:05:07")),
        ("2026-03-01", Moment(at("00:00:00"), "since 2026-03-01")),
        ("2026-03-01T03:04:05", Moment(at("03:04:05"), "since 2026-03-01T03:04:05")),
        ("2026-03-01 03:04", Moment(at("03:04:00"), "since 2026-03-01 03:04")),
        ("2026-03-01T03:04:05Z", Moment(at("03:04:05"), "since 2026-03-01T03:04:05Z")),
        ("2026-03-01T05:04:05+02:00", Moment(at("03:04:05"), "since 2026-03-01T05:04:05+02:00")),
    ],
)
def test_a_typed_time_is_understood(typed: str, expected: Moment) -> None:
    assert _UTC.read(typed) == expected


@pytest.mark.parametrize(
    "typed",
    ["", "soon", "1", "h", "-1h", "1y", "25:00", "2026-13-01", "1h ago", "\x1b[31m"],
)
def test_what_is_no_time_is_wrong_use(typed: str) -> None:
    with pytest.raises(UsageError, match="no time that I can read; expected 30m, 1h"):
        _UTC.read(typed)


@pytest.mark.parametrize("typed", ["9" * 30 + "h", "1" * 400 + "h", "0001-01-01", "1900-01-01T00:00Z"])
def test_what_lies_before_1970_means_everything(typed: str) -> None:
    assert _UTC.read(typed).at_ns == 0


def test_what_lies_past_the_last_instant_is_that_instant() -> None:
    assert _UTC.read("9999-12-31").at_ns == 2**63 - 1


def test_days_and_clock_times_are_the_machines_own(kolkata: Clock) -> None:
    assert kolkata.read("today").at_ns == at("00:00:00") - int(5.5 * 3600) * SECOND
    assert kolkata.read("08:00").at_ns == at("02:30:00")
    assert kolkata.read("2026-03-01T08:00").at_ns == at("02:30:00")
    assert kolkata.read("2026-03-01T08:00Z").at_ns == at("08:00:00")


def test_times_are_printed_in_the_machines_own_zone(kolkata: Clock) -> None:
    assert kolkata.stamp(at("03:12:41.9")) == "08:42:41"


def test_older_times_carry_their_date() -> None:
    assert _UTC.stamp(at("03:12:41")) == "03:12:41Z"
    assert _UTC.stamp(at("00:00:00") - SECOND) == "Feb 28 23:59:59Z"
    assert _UTC.stamp(at("00:00:00") - 60 * _DAY) == "2025-12-31 00:00:00Z"


def test_iso_times_keep_every_nanosecond() -> None:
    assert iso(at("03:12:41") + 123_456_789) == "2026-03-01T03:12:41.123456789Z"
    assert iso(0) == "1970-01-01T00:00:00.000000000Z"
