"""Processes of a Celery worker that die, each in its own way, and what is told of the jobs that they were running."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_run
from support.compare import assert_true
from support.stage import Stage
from support.waiting import wait_until

APP = "apps.mortal_app"
LOGGED = (r"WorkerLost|^billiard\.|^celery\.",)
LATER_MS = 60_000
"""A batch delay that no test waits for: what a process has finished is still with it when it dies."""


def put(stage: Stage, *jobs: str) -> None:
    """Put jobs of the mortal application."""
    stage.put(*(f"mortal:{job}" for job in jobs))


def runs_of(spans: Iterable[Span]) -> dict[str, Span]:
    """Return the run spans by the job's short name."""
    return {span.name.rpartition(".")[2]: span for span in spans if is_run(span)}


def wait_for_runs(stage: Stage, number: int) -> tuple[Span, ...]:
    """Wait for so many run spans."""
    return stage.collector.wait_for_spans(number, named="run ", deadline_s=30)


def files(stage: Stage) -> list[Path]:
    """Return the flight files that stand in the state folder."""
    return list((stage.folder / "flight").glob("*"))


def said(span: Span) -> dict[str, Any]:
    """Return what a lost run says of its end."""
    names = (c.JOBSPAN_JOB_LOST_REASON, c.JOBSPAN_JOB_EXIT_SIGNAL, c.JOBSPAN_JOB_EXIT_CODE, c.JOBSPAN_JOB_OOM_KILLED)
    return {name.rpartition(".")[2]: span.attributes[name] for name in names if name in span.attributes}


def test_a_job_that_dies_with_its_process_is_told_as_lost(each_stage: Stage) -> None:
    each_stage.celery(app=APP, concurrency=2, expect=LOGGED)
    put(each_stage, "killed=9", "killed=11", "gone=7", "ok")
    wait_for_runs(each_stage, 4)
    assert_true(each_stage.collector.spans, each_stage.diary)
    told = {span.attributes[c.MESSAGING_MESSAGE_ID]: span for span in each_stage.collector.spans if is_run(span)}
    true = {run.job_id: run for run in each_stage.diary.runs}
    lost = [told[job_id] for job_id, run in true.items() if run.outcome is None]
    ends = sorted(((span.attributes[c.JOBSPAN_JOB_FINAL], said(span)) for span in lost), key=str)
    assert ends == [
        (True, {"reason": "exit", "code": 7}),
        (True, {"reason": "signal", "signal": "SIGKILL", "oom_killed": False}),
        (True, {"reason": "signal", "signal": "SIGSEGV"}),
    ]
    for span in lost:
        assert span.attributes[c.MESSAGING_CLIENT_ID] == told_by(each_stage)
        assert span.attributes[c.THREAD_NAME] == "MainThread"
        assert span.attributes[c.JOBSPAN_JOB_WAIT_PREFETCHED] >= 0
        assert c.JOBSPAN_JOB_END_ESTIMATED not in span.attributes
        began_ns = true[span.attributes[c.MESSAGING_MESSAGE_ID]].began_ns
        assert began_ns <= span.end_ns < began_ns + 5e9


def told_by(stage: Stage) -> str:
    """Return the worker's name as its surviving runs have it."""
    (name,) = {
        span.attributes[c.MESSAGING_CLIENT_ID]
        for span in stage.collector.spans
        if span.name.endswith(".ok") and is_run(span)
    }
    return str(name)


def test_whether_a_lost_run_was_the_last_is_what_celery_then_does(stage: Stage) -> None:
    stage.celery(app=APP, concurrency=2, expect=LOGGED)
    put(stage, "killed_late", "killed_once")
    spans = wait_for_runs(stage, 3)
    assert_true(stage.collector.spans, stage.diary)
    ends = sorted(
        (span.name.rpartition(".")[2], span.attributes[c.JOBSPAN_JOB_OUTCOME], span.attributes[c.JOBSPAN_JOB_FINAL])
        for span in spans
    )
    assert ends == [("killed_late", "lost", True), ("killed_once", "lost", False), ("killed_once", "succeeded", True)]


def test_what_a_killed_process_had_finished_is_told_too(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    stage.celery(app=APP, concurrency=1, expect=LOGGED)
    for rounds in range(1, 4):
        put(stage, *["ok"] * 5, "killed=9")
        wait_for_runs(stage, 6 * rounds)
    assert_true(stage.collector.spans, stage.diary)


@pytest.mark.parametrize("jobs", [1, 5])
def test_a_recycled_process_loses_nothing(stage: Stage, jobs: int) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    put(stage, *["ok"] * 10)
    # A child's flush is in vain for as long as the child lives.
    stage.collector.delay_s = 3.0
    stage.celery(app=APP, concurrency=2, args=["--max-tasks-per-child", str(jobs)])
    stage.wait_until_ended(10)
    stage.collector.delay_s = 0.0
    wait_until(lambda: len(once(stage)) >= 10 + 10 + 1, deadline_s=40, what="all spans arrive")
    assert_true(once(stage), stage.diary)


def once(stage: Stage) -> list[Span]:
    """Return the spans with identical duplicates left out: an answer that came too late makes one."""
    found: dict[str, Span] = {}
    for span in stage.collector.spans:
        assert found.setdefault(span.span_id, span) == span
    return list(found.values())


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_warm_shutdown_tells_all_and_leaves_no_file(stage: Stage, pool: str) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = stage.celery(app=APP, pool=pool, concurrency=2 if pool != "solo" else 1)
    put(stage, *["ok"] * 10)
    stage.wait_until_ended(10)
    assert files(stage)
    worker.stop()
    assert_true(stage.collector.spans, stage.diary)
    assert files(stage) == []


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_that_is_killed_whole_is_told_by_the_next(stage: Stage, pool: str) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    concurrency = 1 if pool == "solo" else 2
    worker = stage.celery(app=APP, pool=pool, concurrency=concurrency, expect=LOGGED)
    put(stage, *["ok"] * 3, *["slow=30"] * concurrency)
    wait_until(lambda: len(stage.diary.runs) == 3 + concurrency, deadline_s=20, what="all jobs begin")
    stage.wait_until_ended(3)
    worker.kill()
    stage.celery(app=APP, pool=pool, queues="none")
    spans = wait_for_runs(stage, 3 + concurrency)
    assert_true(stage.collector.spans, stage.diary)
    lost = [span for span in spans if span.name.endswith(".slow")]
    for span in lost:
        assert said(span) == {"reason": "host"}
        assert span.attributes[c.JOBSPAN_JOB_END_ESTIMATED] is True
        assert span.attributes[c.JOBSPAN_JOB_FINAL] is True


def test_the_records_of_a_living_worker_are_left_alone(stage: Stage) -> None:
    first = stage.celery(app=APP, concurrency=1)
    put(stage, "slow=3")
    wait_until(lambda: stage.diary.runs, deadline_s=20, what="the job begins")
    second = stage.celery(app=APP, concurrency=1, queues="none")
    second.stop()
    first.stop()
    assert_true(stage.collector.spans, stage.diary)
    assert [span.attributes[c.JOBSPAN_JOB_OUTCOME] for span in stage.collector.spans if is_run(span)] == ["succeeded"]


def test_without_a_folder_the_worker_says_so_once_and_works(stage: Stage) -> None:
    (stage.folder / "flight").write_text("in the way")
    worker = stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(stage, "ok")
    wait_for_runs(stage, 1)
    assert_true(stage.collector.spans, stage.diary)
    assert 1 <= worker.log.count("no flight record") <= 2  # the main process and its child


def test_two_interrupts_lose_nothing(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = stage.celery(app=APP, concurrency=2, expect=(".",))
    put(stage, *["ok"] * 4, "slow=60")
    wait_until(lambda: len(stage.diary.runs) == 5, deadline_s=20, what="all jobs begin")
    stage.wait_until_ended(4)
    for _ in range(2):
        worker.signal(signal.SIGINT)
        worker.wait_for_log("orker: ", times=1)
    worker.wait(20)
    stage.celery(app=APP, queues="none")
    spans = wait_for_runs(stage, 5)
    assert sorted(span.attributes[c.JOBSPAN_JOB_OUTCOME] for span in spans) == ["interrupted"] + ["succeeded"] * 4
