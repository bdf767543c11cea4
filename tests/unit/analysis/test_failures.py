"""Failures in words and in groups."""

from __future__ import annotations

import pytest

from jobspan.analysis.failures import ending_of, failure_of, group_failures
from jobspan.analysis.slow import slow_runs
from jobspan.runs import Run, run_from_span
from unit.analysis.story import Story


def _failed(job: str, job_id: str, message: str, **facts: str) -> Run:
    span = Story().run(
        job, job_id, f"03:00:{job_id[1:]}", 1, "failed", error=("shop.errors.CardError", message), **facts
    )
    return run_from_span(span)


def test_a_plain_failure_is_its_error_and_another_outcome_stands_before_it() -> None:
    story = Story()
    error = ("celery.exceptions.TimeLimitExceeded", "60 s")
    timed_out = run_from_span(story.run("work", "w1", "03:00:00", 1, "timed_out", error=error))
    lost = run_from_span(story.run("work", "w2", "03:00:00", 1, "lost", status="error"))
    assert failure_of(_failed("work", "w3", "declined")) == "CardError: declined"
    assert failure_of(timed_out) == "timed out: TimeLimitExceeded: 60 s"
    assert failure_of(lost) == "lost"
    assert ending_of(_failed("work", "w3", "declined")) == "failed: CardError: declined"


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("error", [("CardError: order # declined", 2), ("CardError: order book closed", 1)]),
        ("job", [("charge", 2), ("refund", 1)]),
        ("queue", [("billing", 2), ("default", 1)]),
        ("command", [("import-orders", 3)]),
    ],
)
def test_failures_are_grouped_largest_first(by: str, expected: list[tuple[str, int]]) -> None:
    runs = [
        _failed("charge", "c10", "order 17 declined", queue="billing"),
        _failed("refund", "r11", "order 99 declined", queue="billing"),
        _failed("charge", "c12", "order book closed"),
    ]
    assert [(group.key, group.jobs) for group in group_failures(runs, by)] == expected


def test_equal_messages_keep_their_numbers() -> None:
    runs = [_failed("charge", "c10", "order 17 declined"), _failed("charge", "c11", "order 17 declined")]
    (group,) = group_failures(runs, "error")
    assert (group.key, group.newest.job_id, group.job_names) == ("CardError: order 17 declined", "c11", ("charge",))


def test_a_run_is_slow_beside_enough_others_of_its_job() -> None:
    story = Story()
    runs = [run_from_span(story.run("work", f"w{n}", "03:00:00", seconds)) for n, seconds in enumerate((1, 1, 1, 1, 4))]
    assert slow_runs(runs) == {runs[-1].span_id}
    assert slow_runs(runs[1:]) == frozenset()
