"""Under load, a random process killed every now and then: what is told is what the jobs' diary has.

``JOBSPAN_SOAK_S`` sets for how long, 20 seconds where it is not set.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import psutil
import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_run
from support.compare import Truth, lies
from support.deaths import lost_links
from support.diary import TrueRun
from support.stage import Stage
from support.waiting import wait_until
from support.workers import TESTS, DramatiqWorker, Instrumented

SOAK_S = float(os.environ.get("JOBSPAN_SOAK_S", "20"))
MOMENT_NS = 50_000_000
"""A process that is killed so soon after its job's last line, or before its first, was killed in the library's code."""


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


def load(stage: Stage, *jobs: str) -> Instrumented:
    """Start a program that puts these jobs, 40 a second, for as long as the soak lasts."""
    return stage.program("python", str(TESTS / "apps" / "load.py"), str(SOAK_S), json.dumps(jobs), name="load")


def assert_linked(spans: Sequence[Span]) -> None:
    """Every run of a job that came back links to the one before it, which was lost."""
    by_attempt: dict[tuple[object, object], list[Span]] = {}
    for span in sorted(filter(is_run, spans), key=lambda span: span.start_ns):
        key = span.attributes[c.MESSAGING_MESSAGE_ID], span.attributes[c.JOBSPAN_JOB_ATTEMPT]
        by_attempt.setdefault(key, []).append(span)
    for lost, again in (pair for found in by_attempt.values() for pair in pairwise(found)):
        assert lost_links(again) == [(lost.trace_id, lost.span_id)]


def merged(spans: Sequence[Span]) -> tuple[list[Span], int]:
    """Leave out what was exported twice, the same each time, and say how many that were."""
    found: dict[tuple[str, str], Span] = {}
    for span in spans:
        first = found.setdefault((span.trace_id, span.span_id), span)
        assert first == span, "the same span with another content"
    return list(found.values()), len(spans) - len(found)


def with_moments(runs: Sequence[TrueRun], spans: Sequence[Span], killed: dict[int, int]) -> Iterator[TrueRun]:
    """Return the runs as the worker lived them: one killed at its job's very edge is lost to the worker."""
    told: dict[tuple[object, object], list[Span]] = {}
    for span in sorted(filter(is_run, spans), key=lambda span: span.start_ns):
        key = span.attributes[c.MESSAGING_MESSAGE_ID], span.attributes[c.JOBSPAN_JOB_ATTEMPT]
        told.setdefault(key, []).append(span)
    for run in runs:
        found = told.get((run.job_id, run.attempt), [])[run.delivery - 1 : run.delivery]
        is_lost = [span.attributes[c.JOBSPAN_JOB_OUTCOME] for span in found] == ["lost"]
        if is_lost and run.ended_ns and killed.get(run.pid, 0) - run.ended_ns < MOMENT_NS:
            yield replace(run, outcome=None, final=None, ended_ns=None, error_type=None)
        else:
            yield run


@pytest.mark.timeout(SOAK_S + 120)
def test_celery_children_killed_at_random_under_load(stage: Stage) -> None:
    worker = stage.celery(app="apps.mortal_app", concurrency=4, expect=(r"WorkerLost|^billiard\.|^celery\.",))
    killer = Killer(lambda: worker.pid, seed=4)
    producer = load(stage, "mortal:brief=5", "mortal:brief=150", "mortal:persistent=60")
    while producer.is_alive:
        time.sleep(killer.random.uniform(0.3, 2.0))
        killer.kill()
    wait_until(lambda: is_done(stage, killer), deadline_s=60, what="every job has ended or died")
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
    producer = load(stage, "mortal_dramatiq:brief=5", "mortal_dramatiq:brief=150")
    while producer.is_alive:
        time.sleep(killer.random.uniform(1.0, 3.0))
        killer.kill()
        if killer.killed:
            # One that is dead stops all of them.
            worker.wait(30)
            worker = restarted()
    wait_until(lambda: is_done(stage, killer, comes_back=True), deadline_s=60, what="every job has ended")
    worker.stop()
    assert_soaked(stage, killer)


def is_done(stage: Stage, killer: Killer, *, comes_back: bool = False) -> bool:
    """Say whether every job that was put has run (or, where what is lost comes back, ended), and none is running."""
    runs, put = stage.diary.runs, {publish.job_id for publish in stage.diary.publishes}
    began = {run.job_id for run in runs if run.ended_ns is not None or not comes_back}
    return put <= began and all(run.ended_ns is not None or run.pid in killer.killed for run in runs)


def assert_soaked(stage: Stage, killer: Killer) -> None:
    """Hold what was told against the diary."""
    spans, twice = merged(stage.collector.spans)
    runs = tuple(with_moments(stage.diary.runs, spans, killer.killed))
    truth = replace(Truth.of(stage.diary), runs=runs)
    found = lies(spans, truth)
    lost = sum(span.attributes.get(c.JOBSPAN_JOB_OUTCOME) == "lost" for span in spans)
    print(f"{len(killer.killed)} killed, {len(runs)} runs, {lost} lost, {twice} spans exported twice")
    assert not found, "\n  ".join([f"of {len(runs)} runs, {len(killer.killed)} processes killed:", *found])
    assert_linked(spans)
    assert lost > 0
