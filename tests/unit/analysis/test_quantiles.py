"""Quantiles are values that were seen."""

from __future__ import annotations

import pytest

from jobspan.analysis.quantiles import Spread, nearest_rank, spread


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([7.0], Spread(7.0, 7.0)),
        ([2.0, 1.0], Spread(1.0, 2.0)),
        ([3.0, 1.0, 2.0], Spread(2.0, 3.0)),
        (list(map(float, range(1, 21))), Spread(10.0, 19.0)),
        (list(map(float, range(100, 0, -1))), Spread(50.0, 95.0)),
    ],
)
def test_the_spread_is_by_nearest_rank(values: list[float], expected: Spread | None) -> None:
    assert spread(values) == expected


def test_the_lowest_and_highest_percent_are_the_ends() -> None:
    ordered = [1.0, 2.0, 3.0]
    assert (nearest_rank(ordered, 0), nearest_rank(ordered, 100)) == (1.0, 3.0)
