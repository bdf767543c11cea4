"""Processes of a Celery worker that die, each in its own way, and what is told of the jobs that they were running."""

from __future__ import annotations

import os
import signal
import stat
import time

import pytest
from celery import Task

from jobspan import conventions as c
from jobspan.runs import is_command, is_publish, is_run
from support.compare import assert_true
from support.deaths import LATER_MS, files, how_lost, lost_links, once, outcomes, wait_for_runs
from support.measured import sums
from support.stage import Stage
from support.waiting import wait_until

pytestmark = pytest.mark.every_python

APP = "apps.mortal_app"
LOGGED = (r"WorkerLost|^billiard\.|^celery\.",)


def put(stage: Stage, *jobs: str) -> None:
    """Put jobs of the mortal application."""
    stage.put(*(f"mortal:{job}" for job in jobs))


def test_a_job_that_dies_with_its_process_is_told_as_lost(each_stage: Stage) -> None:
    each_stage.celery(app=APP, concurrency=2, expect=LOGGED)
    put(each_stage, "killed=9", "killed=11", "gone=7", "ok")
    # A child that dies at once may not have said yet that it took the job: Celery gives that one to another child.
    each_stage.collector.wait_for_spans(1, named="run apps.celery_app.ok", deadline_s=30)
    wait_for_runs(each_stage, max(4, len(each_stage.diary.runs)))
    assert_true(each_stage.collector.spans, each_stage.diary)
    told = {span.attributes[c.MESSAGING_MESSAGE_ID]: span for span in each_stage.collector.spans if is_run(span)}
    true = {run.job_id: run for run in each_stage.diary.runs}
    lost = [told[job_id] for job_id, run in true.items() if run.outcome is None]
    ends = sorted(((span.attributes[c.JOBSPAN_JOB_FINAL], how_lost(span)) for span in lost), key=str)
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
    assert outcomes(spans) == [
        ("killed_late", "lost", True),
        ("killed_once", "lost", False),
        ("killed_once", "succeeded", True),
    ]


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
    stage.celery(app=APP, concurrency=2, args=["--max-tasks-per-child", str(jobs)], expect=["could not be sent"])
    stage.wait_until_ended(10)
    stage.collector.delay_s = 0.0
    wait_until(lambda: len(once(stage.collector.spans)) >= 10 + 10 + 1, deadline_s=40, what="all spans arrive")
    assert_true(once(stage.collector.spans), stage.diary)


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


def test_a_leaving_process_sends_all_its_signals_at_once_however_slow_the_collector(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS, metric_interval_ms=LATER_MS)
    worker = stage.celery(app=APP, concurrency=1, expect=["could not be sent"])
    put(stage, "ok", "ok")
    stage.wait_until_ended(2)
    # Sent one after the other, the second signal would not leave in time.
    stage.collector.delay_s = 3.0
    worker.stop()
    wait_until(lambda: measured(stage) == 2, deadline_s=10, what="both runs are measured")
    wait_until(lambda: len(once(stage.collector.spans)) >= 2 + 2 + 1, deadline_s=10, what="all spans arrive")
    assert_true(once(stage.collector.spans), stage.diary)


def measured(stage: Stage) -> int:
    """Return how many runs all processes have measured together."""
    return sums(stage.collector.points, c.METRIC_PROCESS_DURATION).total()


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_a_worker_that_is_killed_whole_is_told_by_the_next(stage: Stage, pool: str) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    concurrency = 1 if pool == "solo" else 2
    if pool == "gevent":
        pytest.importorskip("gevent")
        stage.export_over_http()
        stage.set(OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH="patch_all")
    worker = stage.celery(app=APP, pool=pool, concurrency=concurrency, expect=LOGGED)
    stage.set(OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH="")
    put(stage, *["ok"] * 3, *["slow=30"] * concurrency)
    wait_until(lambda: len(stage.diary.runs) == 3 + concurrency, deadline_s=20, what="all jobs begin")
    stage.wait_until_ended(3)
    worker.kill()
    stage.celery(app=APP, queues="none")
    spans = wait_for_runs(stage, 3 + concurrency)
    assert_true(stage.collector.spans, stage.diary)
    lost = [span for span in spans if span.name.endswith(".slow")]
    for span in lost:
        assert how_lost(span) == {"reason": "host"}
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


def test_a_job_that_swallows_a_signal_of_somebody_elses_ended_as_it_did(stage: Stage) -> None:
    worker = stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(stage, "undeterred=1")
    wait_until(lambda: stage.diary.runs, deadline_s=20, what="the job begins")
    os.kill(stage.diary.runs[0].pid, signal.SIGTERM)
    stage.wait_until_ended(1)
    worker.stop()
    assert_true(once(stage.collector.spans), stage.diary)
    assert files(stage) == []


def test_a_soft_shutdown_tells_what_it_waits_for_and_what_it_cuts_off(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    stage.set(TEST_SOFT_SHUTDOWN_S="3")
    worker = stage.celery(app="apps.outcomes_app", concurrency=3, expect=(".",))
    stage.put("celery:ok", "celery:slow=1", "outcomes:is_shut_down", "outcomes:is_shut_down_late")
    wait_until(lambda: len(stage.diary.runs) == 4, deadline_s=20, what="all jobs begin")
    worker.signal(signal.SIGQUIT)
    worker.wait(30)
    assert_true(once(stage.collector.spans), stage.diary)
    assert files(stage) == []


def test_limits_and_exits_tell_one_run_each_though_nothing_was_exported_before(each_stage: Stage) -> None:
    each_stage.export(batch_delay_ms=LATER_MS)
    worker = each_stage.celery(app="apps.outcomes_app", concurrency=2, expect=(".",))
    jobs = ["over_the_hard_limit", "ignores_the_hard_limit", "again_after_the_hard_limit", "exits=3", "exits=0"]
    each_stage.put(*[f"outcomes:{job}" for job in jobs], *["outcomes:ok"] * 3)
    wait_until(lambda: len(each_stage.diary.runs) == 9, deadline_s=40, what="all jobs begin")
    each_stage.wait_until_ended(3)
    wait_until(
        lambda: len([span for span in once(each_stage.collector.spans) if is_run(span)]) >= 5,
        deadline_s=20,
        what="the runs of the dead are told",
    )
    worker.stop()
    # What a busy machine did not get out in time is told by the next.
    each_stage.celery(queues="none").stop()
    assert_true(once(each_stage.collector.spans), each_stage.diary)
    assert files(each_stage) == []


def test_a_death_is_told_at_once_though_celery_hears_of_it_later(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(stage, *["slow=30"] * 10)
    waits_ms: list[float] = []
    for number in range(1, 11):
        wait_until(lambda: len(stage.diary.runs) > len(waits_ms), deadline_s=20, what="the next job begins")
        os.kill(stage.diary.runs[-1].pid, signal.SIGKILL)
        killed_ns = time.time_ns()
        stage.collector.wait_for_spans(number, named="run ", deadline_s=3)
        waits_ms.append((time.time_ns() - killed_ns) / 1e6)
    # How long that takes is the benchmark's to say.
    print(f"from a kill to the collector: {sorted(round(wait) for wait in waits_ms)} ms")
    assert_true(stage.collector.spans, stage.diary)


@pytest.mark.skipif(not hasattr(Task, "retry_on_worker_lost"), reason="Celery 5.7 brought it")
def test_a_retry_that_celery_makes_of_a_lost_run_goes_on_from_it(stage: Stage) -> None:
    stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(stage, "killed_and_retried")
    lost, again = wait_for_runs(stage, 2)
    (retry,) = [s for s in stage.collector.spans if is_publish(s) and s.attributes[c.JOBSPAN_JOB_ATTEMPT] == 2]
    assert outcomes([lost, again]) == [("killed_and_retried", "lost", False), ("killed_and_retried", "succeeded", True)]
    assert (retry.trace_id, retry.parent_id) == (lost.trace_id, lost.span_id)
    assert (again.trace_id, again.parent_id) == (lost.trace_id, retry.span_id)
    assert [(link.type, link.span_id) for link in again.links] == [
        ("publish", retry.span_id),
        ("previous_attempt", lost.span_id),
    ]
    (command,) = [span for span in stage.collector.spans if is_command(span)]
    assert {span.attributes[c.JOBSPAN_COMMAND_ID] for span in (lost, retry, again)} == {command.span_id}


def test_a_job_that_celery_puts_back_links_to_the_run_that_was_lost(each_stage: Stage) -> None:
    each_stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(each_stage, "killed_once")
    lost, again = sorted(wait_for_runs(each_stage, 2), key=lambda span: span.start_ns)
    assert lost_links(again) == [(lost.trace_id, lost.span_id)]
    assert again.attributes[c.JOBSPAN_JOB_REDELIVERED] is True


def test_a_volume_that_is_everybodys_keeps_its_mode_and_serves_all_the_same(stage: Stage) -> None:
    volume = stage.folder / "volume"
    volume.mkdir()
    volume.chmod(0o1777)
    stage.set(OTEL_PYTHON_JOBSPAN_STATE_DIR=str(volume))
    stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(stage, "killed_once")
    lost, again = sorted(wait_for_runs(stage, 2), key=lambda span: span.start_ns)
    assert lost_links(again) == [(lost.trace_id, lost.span_id)]
    assert stat.S_IMODE(volume.stat().st_mode) == 0o1777


def test_a_publish_that_its_process_did_not_survive_is_told_as_cut_off(stage: Stage) -> None:
    stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(stage, "killed_in_a_publish")
    run = next(span for span in wait_for_runs(stage, 1) if is_run(span))
    (publish,) = [s for s in stage.collector.spans if is_publish(s) and s.name == "publish apps.celery_app.ok"]
    assert (publish.trace_id, publish.parent_id) == (run.trace_id, run.span_id)
    assert (publish.status, publish.attributes[c.ERROR_TYPE]) == ("error", c.ERROR_WORKER_LOST)
    assert publish.start_ns <= publish.end_ns <= run.end_ns


def test_without_an_sdk_a_death_harms_nobody(stage: Stage) -> None:
    stage.set(OTEL_SDK_DISABLED="true")
    worker = stage.celery(app=APP, concurrency=1, expect=LOGGED)
    put(stage, "killed=9", "ok")
    stage.wait_until_ended(1)
    worker.stop()
    assert stage.collector.spans == ()
    assert files(stage) == []


def test_a_supervisor_that_stops_all_processes_of_a_worker_interrupts_what_runs(stage: Stage) -> None:
    stage.export(batch_delay_ms=LATER_MS)
    worker = stage.celery(app="apps.outcomes_app", concurrency=2, expect=(".",))
    stage.put("celery:ok", "outcomes:is_shut_down")
    wait_until(lambda: len(stage.diary.runs) == 2, deadline_s=20, what="both jobs begin")
    stage.wait_until_ended(1)
    os.killpg(worker.pid, signal.SIGTERM)
    worker.wait(30)
    assert_true(once(stage.collector.spans), stage.diary)
    assert files(stage) == []
