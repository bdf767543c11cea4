"""Under load, a random process killed every now and then: what is told is what the jobs' diary has.

``JOBSPAN_SOAK_S`` sets for how long, 20 seconds where it is not set; ``JOBSPAN_SOAK_COLLECTOR_S`` how
long the collector takes to answer.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import psutil
import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_publish, is_run
from support.compare import Truth, lies
from support.deaths import Quiet, load, lost_links, once
from support.diary import TruePublish, TrueRun
from support.stage import Stage
from support.waiting import wait_until
from support.workers import DramatiqWorker

pytestmark = pytest.mark.every_python

SOAK_S = float(os.environ.get("JOBSPAN_SOAK_S", "20"))
COLLECTOR_S = float(os.environ.get("JOBSPAN_SOAK_COLLECTOR_S", "0"))
MOMENT_NS = 500_000_000
"""A process that is killed so soon after its job's last line, or before its first, was killed in the library's code.

So long only because a busy machine lets a thread wait for its turn; a thread has one such run, its last."""


class Killer:
    """Kills a random child of a process, and remembers whom and when."""

    def __init__(self, parent: Callable[[], int], seed: int) -> None:
        self.parent, self.random = parent, random.Random(seed)
        self.killed: dict[int, int] = {}

    def kill(self) -> None:
        """Kill one."""
        with suppress(psutil.NoSuchProcess):
            children = [child.pid for child in psutil.Process(self.parent()).children() if child.pid not in self.killed]
            if children:
                victim = self.random.choice(children)
                self.killed[victim] = time.time_ns()
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)


def assert_linked(spans: Sequence[Span]) -> None:
    """Every run of a job that came back links to the one before it, if that was lost.

    One that had ended may come back too: its process was killed before it could acknowledge the message.
    """
    by_attempt: dict[tuple[object, object], list[Span]] = {}
    for span in sorted(filter(is_run, spans), key=lambda span: span.start_ns):
        key = span.attributes[c.MESSAGING_MESSAGE_ID], span.attributes[c.JOBSPAN_JOB_ATTEMPT]
        by_attempt.setdefault(key, []).append(span)
    for before, again in (pair for found in by_attempt.values() for pair in pairwise(found)):
        outcome = before.attributes[c.JOBSPAN_JOB_OUTCOME]
        expected = [(before.trace_id, before.span_id)] if outcome == "lost" else []
        assert lost_links(again) == expected, f"{again.name} follows upon a run that was {outcome}"


def as_the_worker_lived_it(truth: Truth, spans: Sequence[Span], killed: dict[int, int]) -> Truth:
    """Return the truth with the runs at whose very edge their process was killed.

    One that was killed before its job's first line has none in the diary; one that was killed right behind the last
    line was lost to the worker. The first kind gets a number among the deliveries of its job.
    """

    def died_within_a_moment(pid: int, since_ns: int) -> bool:
        return pid in killed and killed[pid] - since_ns < MOMENT_NS

    written = grouped((run.job_id, run.attempt, run) for run in truth.runs)
    last = {(run.pid, run.thread): run for run in truth.runs}
    for span in spans:
        if span.attributes.get(c.JOBSPAN_JOB_OUTCOME) == "lost":
            a = span.attributes
            found = written.setdefault((a[c.MESSAGING_MESSAGE_ID], a[c.JOBSPAN_JOB_ATTEMPT]), [])
            mine = [run for run in found if run.pid == a[c.PROCESS_PID] and run.began_ns >= span.start_ns]
            if not mine and died_within_a_moment(a[c.PROCESS_PID], span.start_ns):
                found.append(unnoticed(span))
            for run in mine:
                is_last = run == last[run.pid, run.thread]
                if run.ended_ns and is_last and died_within_a_moment(run.pid, run.ended_ns):
                    found[found.index(run)] = replace(run, outcome=None, final=None, ended_ns=None, error_type=None)
    runs, numbers = [], {}
    for found in written.values():
        for number, run in enumerate(sorted(found, key=lambda run: run.began_ns), 1):
            numbers[run.job_id, run.attempt, run.delivery] = (run.job_id, run.attempt, number)
            runs.append(replace(run, delivery=number))
    publishes = [put if put.by_run is None else replace(put, by_run=numbers[put.by_run]) for put in truth.publishes]
    return replace(truth, runs=tuple(runs), publishes=tuple(publishes))


def unnoticed(span: Span) -> TrueRun:
    """Return the run of a lost span that its job did not live to write down."""
    a = span.attributes
    return TrueRun(
        framework=a[c.JOBSPAN_FRAMEWORK],
        job=a[c.JOBSPAN_JOB_NAME],
        job_id=a[c.MESSAGING_MESSAGE_ID],
        attempt=a[c.JOBSPAN_JOB_ATTEMPT],
        delivery=-1,
        pid=a[c.PROCESS_PID],
        began_ns=span.start_ns,
    )


def grouped(runs: Iterable[tuple[str, int, TrueRun]]) -> dict[tuple[str, int], list[TrueRun]]:
    """Return the runs by job and attempt."""
    found: dict[tuple[str, int], list[TrueRun]] = {}
    for job_id, attempt, run in runs:
        found.setdefault((job_id, attempt), []).append(run)
    return found


def unwritten(truth: Truth, spans: Sequence[Span]) -> Iterator[TruePublish]:
    """Return the publishes that a job did not live to write down: it was killed in the call, or right behind it."""
    written = {(put.job_id, put.attempt) for put in truth.publishes}
    lost = {span.span_id: span for span in spans if span.attributes.get(c.JOBSPAN_JOB_OUTCOME) == "lost"}
    for span in filter(is_publish, spans):
        job_id, attempt = span.attributes[c.MESSAGING_MESSAGE_ID], span.attributes[c.JOBSPAN_JOB_ATTEMPT]
        if span.parent_id in lost and (job_id, attempt) not in written:
            name = span.attributes[c.JOBSPAN_JOB_NAME]
            yield TruePublish(
                span.attributes[c.JOBSPAN_FRAMEWORK], name, job_id, attempt, is_cut_off=span.status == "error"
            )


@pytest.mark.timeout(SOAK_S + 120)
def test_celery_children_killed_at_random_under_load(stage: Stage) -> None:
    worker = stage.celery(app="apps.mortal_app", concurrency=4, expect=(r"WorkerLost|^billiard\.|^celery\.",))
    killer = Killer(lambda: worker.pid, seed=4)
    stage.collector.delay_s = COLLECTOR_S
    producer = load(stage, SOAK_S, "mortal:brief=5", "mortal:brief=150", "mortal:persistent=60")
    while producer.is_alive:
        time.sleep(killer.random.uniform(0.3, 2.0))
        killer.kill()
    wait_until(Quiet(stage, killer.killed), deadline_s=60, what="every job has ended or died")
    worker.stop()
    assert_soaked(stage, killer)


@pytest.mark.timeout(SOAK_S + 120)
def test_dramatiq_processes_killed_at_random_under_load(stage: Stage) -> None:
    def restarted() -> DramatiqWorker:
        return stage.dramatiq(
            module="apps.mortal_dramatiq_app", processes=2, threads=4, expect=("exited unexpectedly",)
        )

    worker = restarted()
    killer = Killer(lambda: worker.pid, seed=4)
    stage.collector.delay_s = COLLECTOR_S
    producer = load(stage, SOAK_S, "mortal_dramatiq:brief=5", "mortal_dramatiq:brief=150")
    while producer.is_alive:
        time.sleep(killer.random.uniform(1.0, 3.0))
        killer.kill()
        if killer.killed:
            # One that is dead stops all of them.
            worker.wait(30)
            worker = restarted()
    wait_until(lambda: all_ended(stage), deadline_s=60, what="every job has ended")
    worker.stop()
    assert_soaked(stage, killer)


def all_ended(stage: Stage) -> bool:
    """Say whether every job that was put has been run to its end."""
    return {put.job_id for put in stage.diary.publishes} <= {run.job_id for run in stage.diary.runs if run.ended_ns}


def assert_soaked(stage: Stage, killer: Killer) -> None:
    """Hold what was told against the diary."""
    spans = once(stage.collector.spans)
    truth = as_the_worker_lived_it(Truth.of(stage.diary), spans, killer.killed)
    truth = replace(truth, publishes=truth.publishes + tuple(unwritten(truth, spans)))
    found = lies(spans, truth)
    twice = len(stage.collector.spans) - len(spans)
    lost = sum(span.attributes.get(c.JOBSPAN_JOB_OUTCOME) == "lost" for span in spans)
    print(f"{len(killer.killed)} killed, {len(truth.runs)} runs, {lost} lost, {twice} spans exported twice")
    assert not found, "\n  ".join([f"of {len(truth.runs)} runs, {len(killer.killed)} processes killed:", *found])
    assert_linked(spans)
    assert lost > 0
