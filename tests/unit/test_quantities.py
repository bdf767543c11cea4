"""Lengths of time and sizes as people write them."""

from __future__ import annotations

import pytest

from jobspan.quantities import bytes_of, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("14d", 1_209_600), ("36h", 129_600), ("90 m", 5400), ("1.5h", 5400), ("2W", 1_209_600), ("1s", 1), ("Off", None)],
)
def test_a_length_of_time_is_read(text: str, seconds: int | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("5GB", 5 * 10**9), ("256mb", 256 * 10**6), ("0.5 TB", 5 * 10**11), ("off", None)]
)
def test_a_size_is_read(text: str, size: int | None) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "14", "d", "-1d", "0s", "14 days", "1y"])
def test_what_is_no_length_of_time_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a length of time "):
        seconds_of(text)


@pytest.mark.parametrize("text", ["", "5", "GB", "-5GB", "255MB", "0GB", "5KB", "5 gigabytes"])
def test_what_is_no_size_is_refused_with_what_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a size "):
        bytes_of(text)
