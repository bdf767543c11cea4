"""Every way in which a Celery run can end, in every pool, told once and as the jobs' diary has it."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery

from jobspan.runs import is_run
from support.compare import assert_true
from support.diary import TrueRun
from support.stage import Stage
from support.waiting import wait_until
from support.workers import script

APP = "apps.outcomes_app"

# What is put, and how many run spans follow.
ANYWHERE = {
    "expired": 1,
    "ok": 1,
    "beside_a_raising_handler": 1,
    "expected": 1,
    "ignores": 1,
    "rejects": 1,
    "rejects_once": 2,
    "rejects_after_success": 1,
    "late_failure": 1,
    "asks_too_often": 2,
    "fails_too_often": 2,
    "backs_off": 3,
    "covers_a_retry": 2,
    "raises_retry_by_hand": 1,
    "result_lost": 1,
    "result_unserialisable": 1,
    "before_start_raises": 1,
    "on_success_raises": 1,
    "after_return_raises": 1,
    "exits=3": 1,
    "exits=0": 1,
    "interrupts": 1,
    "revoked": 1,
    "unknown": 1,
    "disallowed": 1,
    "garbled": 1,
    "without_arguments": 1,
    "nonsense": 1,
}
IN_CHILDREN = {
    "exits_once": 2,
    "over_the_soft_limit": 1,
    "retried_after_the_soft_limit": 2,
    "over_the_hard_limit": 1,
    "ignores_the_hard_limit": 1,
    "again_after_the_hard_limit": 2,
}
# The solo pool has nothing between such a job and its worker.
FATAL_TO_SOLO = {"result_lost", "exits=3", "exits=0", "interrupts"}
REVOKED_WHILE_RUNNING = ("is_revoked", "is_revoked", "survives_a_revoke")

# What Celery logs of such jobs, besides the exceptions in apps.errors.
LOGGED = (
    r"^celery\.|^kombu\.|^billiard\.|^KeyError|^SystemExit|^KeyboardInterrupt|^TypeError|^AttributeError|^ValueError|^Exception|WorkerLost",
    r"Object of type object is not JSON serializable|json\.decoder|no longer|Retry",
)


def put(stage: Stage, *jobs: str) -> None:
    """Put jobs of the application of outcomes."""
    stage.put(*(f"outcomes:{job}" for job in jobs))


def assert_told(stage: Stage, runs: int) -> None:
    """Wait for so many run spans and hold all against the diary, which says best what is missing."""
    with suppress(TimeoutError):
        wait_until(
            lambda: sum(map(is_run, stage.collector.spans)) >= runs,
            deadline_s=30,
            what=f"{runs} run spans arrive",
        )
    assert_true(stage.collector.spans, stage.diary)
    assert sum(map(is_run, stage.collector.spans)) == runs


def revoke_all(stage: Stage, signals: dict[str, list[str]]) -> None:
    """Revoke the running jobs that wait for it, each with the next signal of its kind."""
    jobs = sum(map(len, signals.values()))
    wait_until(lambda: len(waiting(stage)) == jobs, deadline_s=40, what=f"{jobs} jobs wait for their end")
    app = Celery(broker=stage.broker.url, set_as_current=False)
    for run in waiting(stage):
        name = signals[run.job.rpartition(".")[2]].pop()
        app.control.revoke(run.job_id, terminate=True, signal=name)
    app.close()


def waiting(stage: Stage) -> list[TrueRun]:
    """Find the runs that somebody is to revoke."""
    return [run for run in stage.diary.runs if run.outcome == "revoked"]


@pytest.mark.timeout(180)
def test_every_outcome_is_told_once_by_a_prefork_worker(each_stage: Stage) -> None:
    each_stage.celery(app=APP, concurrency=5, expect=LOGGED)
    jobs = ANYWHERE | IN_CHILDREN
    put(each_stage, *jobs, *REVOKED_WHILE_RUNNING)
    revoke_all(each_stage, {"is_revoked": ["SIGTERM", "SIGKILL"], "survives_a_revoke": ["SIGTERM"]})
    assert_told(each_stage, len(REVOKED_WHILE_RUNNING) + sum(jobs.values()))


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_every_outcome_is_told_once_in_a_pool_without_children(each_stage: Stage, pool: str) -> None:
    each_stage.celery(app=APP, pool=pool, concurrency=4 if pool == "threads" else 1, expect=LOGGED)
    jobs = {job: runs for job, runs in ANYWHERE.items() if pool != "solo" or job not in FATAL_TO_SOLO}
    put(each_stage, *jobs)
    assert_told(each_stage, sum(jobs.values()))


@pytest.mark.every_python
@pytest.mark.timeout(180)
def test_every_outcome_is_told_once_by_greenlets(stage: Stage) -> None:
    pytest.importorskip("gevent")
    stage.export_over_http()
    stage.set(OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH="patch_all")
    worker = stage.celery(app=APP, pool="gevent", concurrency=10, expect=LOGGED, stop_s=30)
    stage.set(OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH="")
    jobs = ANYWHERE | {"over_the_green_limit": 1}
    put(stage, "is_revoked", *jobs)
    revoke_all(stage, {"is_revoked": ["SIGTERM"]})
    assert_told(stage, 1 + sum(jobs.values()))
    assert not any("jobspan.job.cpu.time" in span.attributes for span in stage.collector.spans)
    assert "may stall" not in worker.log


def test_a_worker_that_would_stall_says_so_in_one_line(stage: Stage) -> None:
    pytest.importorskip("gevent")
    stage.export(endpoint=None)
    worker = stage.program(script("celery"), "-A", APP, "worker", "-P", "gevent", name="stalling", expect=(".",))
    worker.wait_for_log("may stall")
    worker.kill()
    assert worker.log.count("may stall") == 1


def test_a_cold_shutdown_interrupts_what_runs(stage: Stage) -> None:
    worker = stage.celery(app=APP, concurrency=2, expect=(".",))
    put(stage, "is_shut_down", "is_shut_down_late")
    wait_until(lambda: len(stage.diary.runs) == 2, deadline_s=20, what="both jobs begin")
    worker.signal(signal.SIGQUIT)
    assert_told(stage, 2)


def redelivered(stage: Stage, job: str) -> list[Any]:
    """What the runs of a job say of being redelivered, in order."""
    spans = sorted((span for span in stage.collector.spans if is_run(span)), key=lambda span: span.start_ns)
    return [span.attributes.get("jobspan.job.redelivered") for span in spans if span.name.endswith(f".{job}")]


def test_a_redelivered_run_says_so(each_stage: Stage) -> None:
    each_stage.celery(app=APP, pool="solo", concurrency=1, expect=LOGGED)
    put(each_stage, "rejects_once", "ok")
    assert_told(each_stage, 3)
    assert redelivered(each_stage, "rejects_once") == [None, True]
    assert redelivered(each_stage, "ok") == [None]
