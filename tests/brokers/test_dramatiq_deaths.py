"""Dramatiq workers whose processes die, each in its own way, and what is told of the jobs that they were running."""

from __future__ import annotations

import signal

import psutil
import pytest

from jobspan import conventions as c
from jobspan.runs import is_run
from support.compare import assert_true
from support.deaths import LATER_MS, files, how_lost, lost_links, once, outcomes, wait_for_runs
from support.stage import Stage
from support.waiting import wait_until
from support.workers import Instrumented

pytestmark = pytest.mark.every_python

MODULE = "apps.mortal_dramatiq_app"
LOGGED = (r"exited unexpectedly",)

STARTED_BY = """
import multiprocessing, sys
from dramatiq.cli import main
if __name__ == "__main__":
    multiprocessing.set_start_method("{method}")
    sys.argv = ["dramatiq", *sys.argv[1:]]
    sys.exit(main())
"""


def put(stage: Stage, *jobs: str) -> None:
    """Put jobs of the mortal application."""
    stage.put(*(f"mortal_dramatiq:{job}" for job in jobs))


def started_by(stage: Stage, method: str, *, processes: int = 1, threads: int = 2) -> Instrumented:
    """Start a worker whose processes come into being in this way."""
    program = stage.program(
        "python",
        "-c",
        STARTED_BY.format(method=method),
        MODULE,
        "--processes",
        str(processes),
        "--threads",
        str(threads),
        name=method,
        expect=LOGGED,
    )
    program.wait_for_log("Worker process is ready", times=processes)
    return program


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(
    ("death", "said"),
    [
        ("killed=9", {"reason": "signal", "signal": "SIGKILL", "oom_killed": False}),
        ("killed=11", {"reason": "signal", "signal": "SIGSEGV"}),
        ("gone=7", {"reason": "exit", "code": 7}),
    ],
)
def test_all_runs_of_a_process_that_dies_are_told_as_lost(
    stage: Stage, method: str, death: str, said: dict[str, object]
) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = started_by(stage, method)
    put(stage, "ok", "ok", "slow=30")
    stage.wait_until_ended(2)
    put(stage, death)
    worker.wait(20)
    spans = wait_for_runs(stage, 4)
    assert_true(once(stage.collector.spans), stage.diary)
    lost = [span for span in spans if span.attributes[c.JOBSPAN_JOB_OUTCOME] == "lost"]
    assert [how_lost(span) for span in lost] == [said, said]
    assert {span.attributes[c.JOBSPAN_JOB_FINAL] for span in lost} == {False}
    assert {span.attributes[c.MESSAGING_CLIENT_ID] for span in spans if is_run(span)} == {
        lost[0].attributes[c.MESSAGING_CLIENT_ID]
    }
    assert files(stage) == []


def test_a_death_is_told_before_the_worker_has_stopped(stage: Stage) -> None:
    worker = stage.dramatiq(module=MODULE, threads=2, processes=2, expect=LOGGED)
    put(stage, "slow=10")
    wait_until(lambda: stage.diary.runs, deadline_s=10, what="the long job begins")
    put(stage, "killed=9")
    wait_until(lambda: ("killed", "lost", False) in outcomes(stage.collector.spans), deadline_s=6, what="it is told")
    assert worker.is_alive


def test_a_job_that_comes_back_says_so_and_links_to_the_run_that_was_lost(each_stage: Stage) -> None:
    worker = each_stage.dramatiq(module=MODULE, threads=1, expect=LOGGED)
    put(each_stage, "killed_once")
    worker.wait(20)
    each_stage.dramatiq(module=MODULE, threads=1)
    lost, again = sorted(wait_for_runs(each_stage, 2), key=lambda span: span.start_ns)
    assert_true(once(each_stage.collector.spans), each_stage.diary)
    assert outcomes([lost, again]) == [("killed_once", "lost", False), ("killed_once", "succeeded", True)]
    assert lost_links(again) == [(lost.trace_id, lost.span_id)]
    assert again.attributes[c.JOBSPAN_JOB_REDELIVERED] is True
    assert c.JOBSPAN_JOB_REDELIVERED not in lost.attributes


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_warm_shutdown_tells_all_and_leaves_no_file(stage: Stage, method: str) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = started_by(stage, method, processes=2)
    put(stage, *["ok"] * 10)
    stage.wait_until_ended(10)
    assert files(stage)
    worker.stop()
    assert_true(stage.collector.spans, stage.diary)
    assert files(stage) == []


def test_a_job_that_outlives_the_shutdown_was_interrupted(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = stage.dramatiq(module=MODULE, threads=2, args=["--worker-shutdown-timeout", "500"])
    put(stage, "ok", "cut_off=60")
    wait_until(lambda: len(stage.diary.runs) == 2, deadline_s=10, what="both begin")
    stage.wait_until_ended(1)
    worker.stop()
    assert_true(stage.collector.spans, stage.diary)


def test_two_interrupts_at_once_lose_nothing(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = stage.dramatiq(module=MODULE, threads=2)
    put(stage, "ok", "cut_off=60")
    wait_until(lambda: len(stage.diary.runs) == 2, deadline_s=10, what="both begin")
    stage.wait_until_ended(1)
    worker.signal(signal.SIGINT)
    worker.wait_for_log("Stopping worker process", times=1)
    worker.signal(signal.SIGINT)
    worker.wait(20)
    assert_true(stage.collector.spans, stage.diary)
    assert files(stage) == []


def test_a_reload_loses_nothing(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = stage.dramatiq(module=MODULE, threads=2)
    put(stage, *["ok"] * 5)
    stage.wait_until_ended(5)
    before = {path.name for path in files(stage)}
    worker.signal(signal.SIGHUP)
    worker.wait_for_log("Worker process is ready", times=2)
    assert_true(stage.collector.spans, stage.diary)
    assert not before & {path.name for path in files(stage)}
    put(stage, "ok")
    stage.wait_until_ended(6)
    worker.stop()
    assert_true(stage.collector.spans, stage.diary)


def test_a_worker_that_is_killed_whole_is_told_by_the_next(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = stage.dramatiq(module=MODULE, processes=2, threads=2, expect=LOGGED)
    put(stage, *["ok"] * 3, "slow=30", "slow=30")
    wait_until(lambda: len(stage.diary.runs) == 5, deadline_s=20, what="all jobs begin")
    stage.wait_until_ended(3)
    worker.kill()
    stage.dramatiq(module=MODULE, args=["--queues", "none"])
    spans = wait_for_runs(stage, 5)
    assert_true(once(stage.collector.spans), stage.diary)
    lost = [span for span in spans if span.name == "run slow"]
    assert [(how_lost(span), span.attributes[c.JOBSPAN_JOB_END_ESTIMATED]) for span in lost] == [
        ({"reason": "host"}, True)
    ] * 2


def test_a_process_whose_parent_was_killed_is_told_when_it_dies_by_the_next_worker(stage: Stage) -> None:
    worker = stage.dramatiq(module=MODULE, threads=1, expect=LOGGED)
    put(stage, "slow=30")
    wait_until(lambda: stage.diary.runs, deadline_s=20, what="the job begins")
    child = psutil.Process(stage.diary.runs[0].pid)
    worker.signal(signal.SIGKILL)
    worker.wait(5)
    stage.dramatiq(module=MODULE, args=["--queues", "none"], name="early").stop()
    assert not [span for span in stage.collector.spans if is_run(span)]
    child.kill()
    stage.dramatiq(module=MODULE, args=["--queues", "none"], name="late")
    (span,) = wait_for_runs(stage, 1)
    assert how_lost(span) == {"reason": "host"}
