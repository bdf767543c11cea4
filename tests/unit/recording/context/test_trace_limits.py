"""When traces are cut over: the arithmetic of number, depth and age, in constant memory."""

from __future__ import annotations

from typing import Any

import pytest

from jobspan.recording.context.trace_limits import AGE_LIMIT_NS, DEPTH_LIMIT, CutOver, Verdict

T0 = 1_700_000_000_000_000_000
NESTS = Verdict(begins_trace=False, is_summarised=False, trace_started_ns=T0)
LINKS = Verdict(begins_trace=True, is_summarised=False, trace_started_ns=T0)
SUMMARISED = Verdict(begins_trace=True, is_summarised=True, trace_started_ns=T0)


def count(cut_over: CutOver, trace_id: int = 1, **facts: Any) -> Verdict:
    """Count a publish at the start of its trace."""
    return cut_over.count(trace_id, **{"depth": 0, "started_ns": T0, "at_ns": T0, **facts})


def test_publishes_up_to_the_limit_nest_and_those_past_it_are_summarised() -> None:
    cut_over = CutOver(3)
    assert [count(cut_over) for _ in range(5)] == [NESTS, NESTS, NESTS, SUMMARISED, SUMMARISED]


def test_each_trace_has_its_own_count() -> None:
    cut_over = CutOver(1)
    assert [count(cut_over, trace) for trace in (1, 2, 1, 2)] == [NESTS, NESTS, SUMMARISED, SUMMARISED]


def test_a_limit_of_zero_is_none() -> None:
    cut_over = CutOver(0)
    assert {count(cut_over) for _ in range(2000)} == {NESTS}
    assert cut_over.room(1) is None


def test_a_publish_that_begins_its_trace_is_never_cut_over_and_never_remembered() -> None:
    cut_over = CutOver(1)
    assert {count(cut_over, 0) for _ in range(10)} == {NESTS}
    assert cut_over._traces == {}


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"depth": DEPTH_LIMIT - 1}, NESTS),
        ({"depth": DEPTH_LIMIT}, LINKS),
        ({"at_ns": T0 + AGE_LIMIT_NS}, NESTS),
        ({"at_ns": T0 + AGE_LIMIT_NS + 1}, LINKS),
    ],
)
def test_deep_and_old_traces_are_linked_and_not_summarised(facts: dict[str, Any], verdict: Verdict) -> None:
    assert count(CutOver(1000), **facts) == verdict


def test_a_trace_of_unknown_age_began_with_its_first_publish_here() -> None:
    cut_over = CutOver(1000)
    assert count(cut_over, started_ns=None) == NESTS
    assert count(cut_over, started_ns=None, at_ns=T0 + AGE_LIMIT_NS + 1) == LINKS


def test_the_room_that_is_left_is_known_beforehand() -> None:
    cut_over = CutOver(3)
    rooms = [cut_over.room(1)]
    for _ in range(4):
        count(cut_over)
        rooms.append(cut_over.room(1))
    assert rooms == [3, 2, 1, 0, 0]


def test_the_table_is_bounded_and_keeps_the_traces_in_use() -> None:
    cut_over = CutOver(2)
    for trace_id in range(2, 5000):
        count(cut_over, 1)
        count(cut_over, trace_id)
    assert len(cut_over._traces) == 1000
    assert count(cut_over, 1) == SUMMARISED
