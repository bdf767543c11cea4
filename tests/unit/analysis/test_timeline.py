"""Runs open over time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobspan.analysis.timeline import Timeline, open_at_once

_intervals = st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 40)).map(lambda t: (t[0], t[0] + t[1])), max_size=8)


def test_each_bucket_has_the_most_runs_open_in_it() -> None:
    timeline = open_at_once([(0, 10), (5, 12), (6, 7), (30, 40)], (0, 40), 4)
    assert timeline == Timeline(0, 40, (3, 1, 0, 1))
    assert timeline.highest == 3


def test_runs_that_touch_are_not_open_at_once() -> None:
    assert open_at_once([(0, 5), (5, 10)], (0, 10), 1).open_runs == (1,)


def test_what_lies_outside_the_window_or_has_no_length_counts_nowhere() -> None:
    assert open_at_once([(0, 10), (50, 60), (20, 20)], (10, 50), 2).open_runs == (0, 0)


@given(_intervals)
def test_the_sweep_says_what_looking_at_every_instant_says(intervals: list[tuple[int, int]]) -> None:
    looked = [sum(start <= instant < end for start, end in intervals) for instant in range(40)]
    expected = tuple(max(looked[first : first + 8]) for first in range(0, 40, 8))
    assert open_at_once(intervals, (0, 40), 5).open_runs == expected
