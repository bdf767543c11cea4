"""Numbers with units."""

from __future__ import annotations

import pytest

from jobspan.cli.terminal.sanitize import sanitize_block, sanitize_line
from jobspan.cli.terminal.units import counted, duration, size


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (None, ""),
        (0, "0 s"),
        (-1, "0 s"),
        (0.0004, "<1 ms"),
        (0.0234, "23 ms"),
        (0.0994, "99 ms"),
        (0.0996, "0.1 s"),
        (0.3, "0.3 s"),
        (4.0, "4.0 s"),
        (9.96, "10 s"),
        (41.2, "41 s"),
        (119.4, "119 s"),
        (150, "2.5 min"),
        (180, "3 min"),
        (725, "12 min"),
        (3 * 3600, "3 h"),
        (30.4 * 3600, "30 h"),
        (4 * 86_400, "4 d"),
    ],
)
def test_a_duration_has_the_unit_that_reads_best(seconds: float | None, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (83_900_000, "84 MB"),
        (999_600_000, "1.0 GB"),
        (2_100_000_000, "2.1 GB"),
        (3e18, "3000 PB"),
    ],
)
def test_a_size_has_the_unit_that_reads_best(count: float | None, expected: str) -> None:
    assert size(count) == expected


def test_one_thing_is_not_many() -> None:
    assert [counted(1, "job"), counted(0, "job"), counted(2, "retry", "retries")] == ["1 job", "0 jobs", "2 retries"]


def test_control_and_direction_characters_become_their_codes() -> None:
    assert (
        sanitize_line("a\x1b[31m\tb\r\nc\x00\x9b\u202e\u2028\ud800é漢") == r"a\x1b[31m b c\x00\x9b\u202e\u2028\ud800é漢"
    )


def test_a_block_keeps_its_lines_and_nothing_else() -> None:
    assert sanitize_block("one\r\n\ttwo\x1b[2J  \n\rthree") == ("one", r"    two\x1b[2J", r"\rthree")
