"""When traces are cut over: the arithmetic of number, depth and age, in constant memory."""

from __future__ import annotations

from typing import Any

import pytest

from jobspan.recording.context.trace_limits import AGE_LIMIT_NS, DEPTH_LIMIT, TraceDecision, TraceLimiter

T0 = 1_700_000_000_000_000_000
NESTS = TraceDecision(begins_trace=False, is_summarised=False, trace_started_ns=T0)
LINKS = TraceDecision(begins_trace=True, is_summarised=False, trace_started_ns=T0)
SUMMARISED = TraceDecision(begins_trace=True, is_summarised=True, trace_started_ns=T0)


def count(trace_limiter: TraceLimiter, trace_id: int = 1, **facts: Any) -> TraceDecision:
    """Count a publish at the start of its trace."""
    return trace_limiter.count(trace_id, **{"depth": 0, "started_ns": T0, "at_ns": T0, **facts})


def test_publishes_up_to_the_limit_nest_and_those_past_it_are_summarised() -> None:
    trace_limiter = TraceLimiter(3)
    assert [count(trace_limiter) for _ in range(5)] == [NESTS, NESTS, NESTS, SUMMARISED, SUMMARISED]


def test_each_trace_has_its_own_count() -> None:
    trace_limiter = TraceLimiter(1)
    assert [count(trace_limiter, trace) for trace in (1, 2, 1, 2)] == [NESTS, NESTS, SUMMARISED, SUMMARISED]


def test_a_limit_of_zero_is_none() -> None:
    trace_limiter = TraceLimiter(0)
    assert {count(trace_limiter) for _ in range(2000)} == {NESTS}
    assert trace_limiter.remaining(1) is None


def test_a_publish_that_begins_its_trace_is_never_cut_over_and_never_remembered() -> None:
    trace_limiter = TraceLimiter(1)
    assert {count(trace_limiter, 0) for _ in range(10)} == {NESTS}
    assert trace_limiter._traces == {}


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"depth": DEPTH_LIMIT - 1}, NESTS),
        ({"depth": DEPTH_LIMIT}, LINKS),
        ({"at_ns": T0 + AGE_LIMIT_NS}, NESTS),
        ({"at_ns": T0 + AGE_LIMIT_NS + 1}, LINKS),
    ],
)
def test_deep_and_old_traces_are_linked_and_not_summarised(facts: dict[str, Any], verdict: TraceDecision) -> None:
    assert count(TraceLimiter(1000), **facts) == verdict


def test_a_trace_of_unknown_age_began_with_its_first_publish_here() -> None:
    trace_limiter = TraceLimiter(1000)
    assert count(trace_limiter, started_ns=None) == NESTS
    assert count(trace_limiter, started_ns=None, at_ns=T0 + AGE_LIMIT_NS + 1) == LINKS


def test_the_room_that_is_left_is_known_beforehand() -> None:
    trace_limiter = TraceLimiter(3)
    rooms = [trace_limiter.remaining(1)]
    for _ in range(4):
        count(trace_limiter)
        rooms.append(trace_limiter.remaining(1))
    assert rooms == [3, 2, 1, 0, 0]


def test_the_table_is_bounded_and_keeps_the_traces_in_use() -> None:
    trace_limiter = TraceLimiter(2)
    for trace_id in range(2, 5000):
        count(trace_limiter, 1)
        count(trace_limiter, trace_id)
    assert len(trace_limiter._traces) == 1000
    assert count(trace_limiter, 1) == SUMMARISED
