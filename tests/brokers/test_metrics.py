"""What real workers' metrics say together, over all their processes: what really ran, once each, also after deaths."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from celery import Task

from jobspan import conventions as c
from jobspan.runs import is_publish, is_run
from support.measured import INSTANCE, last_points, sums
from support.promised_points import breaches_of
from support.stage import Stage
from support.waiting import wait_until

JOBS = ("ok", "ok", "ok", "fail", "nest", "retry_then_succeed", "exhaust")
RUNS, RETRIES = 10, 2
ENDED = (c.JOBSPAN_JOB_NAME, c.JOBSPAN_JOB_OUTCOME, c.JOBSPAN_JOB_FINAL, c.ERROR_TYPE)
LOGGED = (r"WorkerLost|^billiard\.|^celery\.|exited unexpectedly",)
WORKERS: dict[str, tuple[str, dict[str, Any]]] = {
    "celery prefork": ("celery", {"concurrency": 2}),
    "celery recycled": ("celery", {"concurrency": 2, "args": ["--max-tasks-per-child", "1"]}),
    "celery threads": ("celery", {"pool": "threads", "concurrency": 2}),
    "dramatiq": ("dramatiq", {"processes": 2, "threads": 2}),
}


def total(stage: Stage, metric: str) -> int:
    """Return what all processes have counted together."""
    return sums(stage.collector.points, metric).total()


def wait_for(stage: Stage, metric: str, number: int) -> None:
    """Wait until all processes have counted so many together."""
    stage.collector.wait_for(lambda _: total(stage, metric) == number, deadline_s=40, what=f"{number} of {metric}")


@pytest.mark.parametrize("worker", WORKERS)
def test_the_sums_over_all_processes_are_what_really_ran(stage: Stage, worker: str) -> None:
    framework, options = WORKERS[worker]
    getattr(stage, framework)(**options)
    stage.put(*(f"{framework}:{job}" for job in JOBS))
    stage.wait_until_ended(RUNS)
    wait_for(stage, c.METRIC_PROCESS_DURATION, RUNS)
    wait_until(lambda: sum(map(is_run, stage.collector.spans)) == RUNS, deadline_s=15, what="all run spans arrive")
    stage.close()
    points = stage.collector.points
    assert [breach for point in points if point.origin.scope == c.SCOPE for breach in breaches_of(point)] == []
    spans = stage.collector.spans
    assert sums(points, c.METRIC_PROCESS_DURATION, *ENDED) == Counter(
        tuple(span.attributes.get(name) for name in ENDED) for span in spans if is_run(span)
    )
    true = Counter((run.outcome, run.final) for run in stage.diary.runs)
    assert sums(points, c.METRIC_PROCESS_DURATION, c.JOBSPAN_JOB_OUTCOME, c.JOBSPAN_JOB_FINAL) == true
    assert total(stage, c.METRIC_OPERATION_DURATION) == len(stage.diary.publishes)
    assert total(stage, c.METRIC_JOB_CPU_TIME) == RUNS
    assert total(stage, c.METRIC_JOB_RETRIES) == RETRIES
    assert total(stage, c.METRIC_JOB_ACTIVE) == 0
    assert sums(points, c.METRIC_COMMAND_DURATION, c.PROCESS_EXIT_CODE) == {(0,): 1}
    assert exemplars(stage, c.METRIC_PROCESS_DURATION) <= ids(stage, is_run)
    assert exemplars(stage, c.METRIC_OPERATION_DURATION) <= ids(stage, is_publish)
    assert exemplars(stage, c.METRIC_JOB_WAIT) <= ids(stage, is_run)


def exemplars(stage: Stage, metric: str) -> set[tuple[str, str]]:
    """Return trace and span ids of a metric's exemplars, of which there are some."""
    found = {exemplar for point in stage.collector.points if point.name == metric for exemplar in point.exemplars}
    assert found
    return found


def ids(stage: Stage, kind: Callable[[Any], bool]) -> set[tuple[str, str]]:
    """Return trace and span ids of the spans of a kind."""
    return {(span.trace_id, span.span_id) for span in stage.collector.spans if kind(span)}


@pytest.mark.parametrize("sampler", ["always_on", "always_off"])
def test_a_worker_that_samples_nothing_measures_all_the_same(stage: Stage, sampler: str) -> None:
    stage.set(OTEL_TRACES_SAMPLER=sampler)
    worker = stage.celery(concurrency=2)
    stage.put("celery:ok", "celery:fail", "celery:slow=3")
    wait_for(stage, c.METRIC_JOB_ACTIVE, 1)
    wait_for(stage, c.METRIC_PROCESS_DURATION, 3)
    wait_for(stage, c.METRIC_JOB_ACTIVE, 0)
    worker.stop()
    assert total(stage, c.METRIC_JOB_MEMORY_PEAK) == 3
    assert any(point.exemplars for point in stage.collector.points) is (sampler == "always_on")


@pytest.mark.every_python
def test_after_a_kill_one_run_is_lost_and_none_is_active(stage: Stage) -> None:
    stage.celery(app="apps.mortal_app", concurrency=2, expect=LOGGED)
    stage.put("mortal:ok", "mortal:slow=60")
    stage.wait_until_ended(1)
    wait_until(lambda: len(stage.diary.runs) == 2, deadline_s=15, what="the other job begins")
    stage.collector.wait_for(lambda _: active(stage) == {("apps.celery_app.slow",): 1}, what="one is active")
    os.kill(next(run.pid for run in stage.diary.runs if run.ended_ns is None), signal.SIGKILL)
    wait_for(stage, c.METRIC_JOB_LOST, 1)
    wait_for(stage, c.METRIC_JOB_ACTIVE, 0)
    (lost,) = last_points(stage.collector.points, c.METRIC_JOB_LOST)
    assert dict(lost.attributes) == {
        c.JOBSPAN_JOB_NAME: "apps.celery_app.slow",
        c.MESSAGING_DESTINATION_NAME: "work",
        c.JOBSPAN_FRAMEWORK: "celery",
        c.JOBSPAN_JOB_FINAL: True,
        c.JOBSPAN_JOB_LOST_REASON: "signal",
    }
    # One process tells all that is active, and lives on.
    told = last_points(stage.collector.points, c.METRIC_JOB_ACTIVE)
    assert {point.origin.resource[INSTANCE] for point in told} == {lost.origin.resource[INSTANCE]}


def active(stage: Stage) -> Counter[tuple[str]]:
    """Return how many runs are active by job name, where there are any."""
    return +sums(stage.collector.points, c.METRIC_JOB_ACTIVE, c.JOBSPAN_JOB_NAME)


@pytest.mark.every_python
def test_a_dramatiq_worker_that_dies_of_a_kill_leaves_nothing_active(stage: Stage) -> None:
    worker = stage.dramatiq(module="apps.mortal_dramatiq_app", expect=LOGGED)
    stage.put("mortal_dramatiq:slow=60", "mortal_dramatiq:slow=60")
    wait_for(stage, c.METRIC_JOB_ACTIVE, 2)
    os.kill(stage.diary.runs[0].pid, signal.SIGKILL)
    worker.wait(20)
    wait_for(stage, c.METRIC_JOB_LOST, 2)
    wait_for(stage, c.METRIC_JOB_ACTIVE, 0)


def test_a_hard_limit_is_counted_by_the_main_process(stage: Stage) -> None:
    stage.celery(app="apps.outcomes_app", concurrency=1, expect=(".",))
    stage.put("outcomes:over_the_hard_limit")
    wait_for(stage, c.METRIC_JOB_CUT_OFF, 1)
    stage.close()
    counted = sums(stage.collector.points, c.METRIC_JOB_CUT_OFF, c.JOBSPAN_JOB_OUTCOME, c.JOBSPAN_JOB_FINAL)
    assert counted == {("timed_out", True): 1}
    assert (total(stage, c.METRIC_PROCESS_DURATION), total(stage, c.METRIC_JOB_LOST)) == (0, 0)


def test_a_job_that_the_worker_does_not_know_is_dropped_under_no_name_of_its_own(stage: Stage) -> None:
    stage.celery(concurrency=1, expect=(".",))
    stage.run("python", "-c", "from apps.celery_app import app; app.send_task('nobody.knows', queue='work')")
    wait_for(stage, c.METRIC_JOB_DROPPED, 1)
    said = sums(stage.collector.points, c.METRIC_JOB_DROPPED, c.JOBSPAN_JOB_NAME, c.JOBSPAN_JOB_OUTCOME)
    assert said == {("_other", "unroutable"): 1}


@pytest.mark.skipif(not hasattr(Task, "retry_on_worker_lost"), reason="Celery 5.7 brought it")
def test_what_the_main_process_publishes_is_no_childs(stage: Stage) -> None:
    stage.celery(app="apps.mortal_app", concurrency=1, args=["--max-tasks-per-child", "1"], expect=LOGGED)
    stage.put("mortal:killed_and_retried")
    wait_for(stage, c.METRIC_PROCESS_DURATION, 1)
    stage.put("mortal:ok", "mortal:ok")
    # Celery may take five seconds to see that a child has gone.
    wait_for(stage, c.METRIC_PROCESS_DURATION, 3)
    stage.close()
    assert total(stage, c.METRIC_OPERATION_DURATION) == sum(map(is_publish, stage.collector.spans)) == 4
