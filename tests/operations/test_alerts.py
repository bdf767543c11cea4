"""Every alert fires for what real workers do, arrives by e-mail and in Slack, and is resolved when it is over."""

from __future__ import annotations

import pytest

from operations.night import DEADLINE_S, Night
from support.processes import Program
from support.waiting import wait_until
from support.workers import script

pytestmark = pytest.mark.timeout(300)
DEATH = (r"WorkerLost|^billiard\.|exited unexpectedly",)


def test_failures_dead_letters_retries_and_deaths_are_told_and_resolved(night: Night) -> None:
    night.stage.celery(
        app="apps.operations_app", concurrency=2, expect=(r"WorkerLost|^billiard\.|exited unexpectedly",)
    )
    night.stage.dramatiq()
    wait_until(lambda: night.prometheus.ask("queue_workers_active"), deadline_s=DEADLINE_S, what="the monitor is heard")
    names = ("JobsFailing", "JobAlwaysFails", "DeadLettersGrowing", "RetryStorm", "JobLost")
    jobs = ("fail", "fail", "fail", "asks_again=60", "killed=9", "dramatiq:fail", "dramatiq:ok")
    night.wait_for(*(f"[FIRING] {name}" for name in names), meanwhile=lambda: night.put(*jobs))
    night.wait_for(*(f"[RESOLVED] {name}" for name in names))
    critical = {f"[{state}] {name}" for state in ("FIRING", "RESOLVED") for name in ("JobsFailing", "JobLost")}
    wait_until(lambda: critical <= set(night.inbox.mails), deadline_s=DEADLINE_S, what="e-mails")
    assert set(night.inbox.mails) == critical


def test_a_backlog_an_old_job_and_missing_workers_are_told_and_resolved(night: Night) -> None:
    worker = night.stage.celery(app="apps.operations_app", concurrency=1, stop_s=1, expect=(".",))
    # So many that the backlog outlasts the alert of missing workers: what ends while that hides it is never told.
    night.put("slow=30", *["slow=0.02"] * 1600)
    night.wait_for("[FIRING] QueueBacklog", "[FIRING] OldestJobWaits")
    worker.kill()
    night.wait_for("[FIRING] NoWorkers")
    night.stage.celery(app="apps.operations_app", concurrency=2)
    night.wait_for(*(f"[RESOLVED] {name}" for name in ("QueueBacklog", "OldestJobWaits", "NoWorkers")))
    mails = {"[FIRING] NoWorkers", "[RESOLVED] NoWorkers"}
    wait_until(lambda: mails <= set(night.inbox.mails), deadline_s=DEADLINE_S, what="e-mails")
    assert not any("Backlog" in mail or "OldestJob" in mail for mail in night.inbox.mails)


@pytest.mark.parametrize("night", ["3s"], indirect=True)
def test_a_monitor_that_is_gone_is_told_and_resolved(night: Night) -> None:
    night.put("ok")
    wait_until(lambda: night.prometheus.ask("queue_jobs_waiting"), deadline_s=DEADLINE_S, what="the monitor is heard")
    night.monitor.stop()
    night.wait_for("[FIRING] QueuesUnseen")
    night.monitor.start()
    night.wait_for("[RESOLVED] QueuesUnseen")
    mails = {"[FIRING] QueuesUnseen", "[RESOLVED] QueuesUnseen"}
    wait_until(lambda: mails <= set(night.inbox.mails), deadline_s=DEADLINE_S, what="e-mails")


def test_a_missed_schedule_and_runs_and_waits_longer_than_a_week_ago_are_told_and_resolved(night: Night) -> None:
    night.stage.celery(app="apps.operations_app", concurrency=1, args=["--prefetch-multiplier", "1"])
    beat = start_beat(night)
    wait_until(lambda: quick(night), deadline_s=DEADLINE_S, what="a week has passed: it takes 25 s here")
    beat.stop()
    night.wait_for(
        *(f"[FIRING] {name}" for name in ("ScheduleMissed", "RunTimeRegression", "WaitRegression")),
        meanwhile=lambda: keep_waiting(night),
    )
    start_beat(night)
    night.wait_for(*(f"[RESOLVED] {name}" for name in ("ScheduleMissed", "RunTimeRegression", "WaitRegression")))
    wait_until(lambda: "[RESOLVED] ScheduleMissed" in night.inbox.mails, deadline_s=DEADLINE_S, what="e-mails")


def start_beat(night: Night) -> Program:
    """Start Celery beat, which puts ``ok`` every second."""
    args = [script("celery"), "-A", "apps.operations_app", "beat", "-s", str(night.stage.folder / "schedule")]
    return night.stage.program(*args, name="beat", expect=(".",))


def quick(night: Night) -> bool:
    """Put jobs that take no time; say whether the schedule has run for a while."""
    night.put("slow=0.01", "slow=0.01")
    return sum(run.job.endswith(".ok") for run in night.stage.diary.runs) >= 20


def keep_waiting(night: Night) -> None:
    """Let a few slow jobs wait, not so many that they take long to be done."""
    diary = night.stage.diary
    put = sum(publish.job.endswith(".slow") for publish in diary.publishes)
    if put - sum(run.job.endswith(".slow") and run.ended_ns is not None for run in diary.runs) < 6:
        night.put(*["slow=1.1"] * 5)
