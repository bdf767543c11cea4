"""Workers that are recycled make no new series, and the counts on Prometheus are those of the jobs' diary."""

from __future__ import annotations

import pytest

from jobspan import conventions as c
from operations.night import Night
from support.waiting import wait_until

JOBS = ("ok",) * 9 + ("fail",)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("each", "rounds", "children"), [(1, 100, 16), (50, 50, 2)])
def test_increases_are_what_the_diary_says_and_series_stay_flat(
    night: Night, each: int, rounds: int, children: int
) -> None:
    night.stage.celery(app="apps.operations_app", concurrency=children, args=["--max-tasks-per-child", str(each)])
    night.put(*JOBS)
    counted(night, 10)
    before = series(night)
    at_first = night.prometheus.number("sum(queue_jobs_total)"), night.prometheus.number("sum(queue_jobs_failed_total)")
    night.put(*JOBS * rounds)
    counted(night, 10 + 10 * rounds)
    # A kernel that has given all ids to processes and threads begins anew with those that are free.
    assert len({run.pid for run in night.stage.diary.runs}) >= 0.9 * 10 * rounds / each
    assert at_first == (10, 1)
    failed = sum(run.outcome == "failed" for run in night.stage.diary.runs)
    is_increase(night, "queue_jobs_total", 10 * rounds)
    is_increase(night, "queue_jobs_failed_total", failed - 1)
    assert series(night) - before == set()
    assert night.prometheus.number('count(target_info{job="celery"})') <= 1


def is_increase(night: Night, counter: str, true: int) -> None:
    """Wait until the increase is that within 5 %: Prometheus guesses what is up to a scrape before and after."""
    query = f"sum(increase({counter}[5m]))"
    wait_until(
        lambda: night.prometheus.number(query) == pytest.approx(true, rel=0.05),
        deadline_s=60,
        what=f"{query} is {true}",
    )


def counted(night: Night, runs: int) -> None:
    """Wait until Prometheus has counted so many runs."""
    wait_until(
        lambda: night.prometheus.number("sum(queue_jobs_total)") >= runs,
        deadline_s=300,
        what=f"{runs} runs are counted",
    )


def series(night: Night) -> set[frozenset[tuple[str, str]]]:
    """Return every series of the worker. How a peak was measured may differ from run to run, and is left aside."""
    # Which jobs happen to be open at a scrape is chance; the main process tells it, and brings its target_info.
    found = night.prometheus.ask(f'{{job="celery", __name__!~"{label(c.METRIC_JOB_ACTIVE)}|target_info"}}')
    return {frozenset((of["metric"] | {label(c.JOBSPAN_JOB_MEMORY_SOURCE): ""}).items()) for of in found}


def label(attribute: str) -> str:
    """Return how Prometheus spells an attribute."""
    return attribute.replace(".", "_")
