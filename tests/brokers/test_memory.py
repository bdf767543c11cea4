"""What runs of real workers say of their memory, beside what the jobs are known to have used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_run
from support.compare import assert_true
from support.deaths import LATER_MS
from support.stage import Stage
from support.workers import CeleryWorker, DramatiqWorker

pytestmark = pytest.mark.every_python

MEGABYTE = 1024 * 1024
WORKERS: dict[str, dict[str, Any]] = {
    "hungry": {"app": "apps.hungry_app", "concurrency": 1},
    "hungry_dramatiq": {"module": "apps.hungry_dramatiq_app", "threads": 1},
}
LOGGED = (r"WorkerLost|^billiard\.|^celery\.",)


def start(stage: Stage, kind: str, **options: Any) -> CeleryWorker | DramatiqWorker:
    """Start the worker of a kind."""
    begin = stage.dramatiq if "dramatiq" in kind else stage.celery
    return begin(**{**WORKERS[kind], **options})


def start_warm(stage: Stage, kind: str, **options: Any) -> CeleryWorker | DramatiqWorker:
    """Start a worker that has numpy's code mapped, which counts when it first runs; its exporters rest till its end."""
    stage.export(batch_delay_ms=LATER_MS, metric_interval_ms=LATER_MS)
    worker = start(stage, kind, **options)
    put(stage, kind, "native=1")
    stage.wait_until_ended(1)
    return worker


def measured(stage: Stage, kind: str, *jobs: str, runs: int | None = None, **options: Any) -> list[Span]:
    """Return the runs of jobs that have a warm worker to themselves, in the order of their begin."""
    worker = start_warm(stage, kind, **options)
    put(stage, kind, *jobs)
    runs = len(jobs) if runs is None else runs
    stage.wait_until_ended(1 + runs)
    worker.stop()
    return runs_of(stage, 1 + runs)[1:]


def put(stage: Stage, kind: str, *jobs: str) -> None:
    """Put jobs of a kind."""
    stage.put(*(f"{kind}:{job}" for job in jobs))


def runs_of(stage: Stage, number: int) -> list[Span]:
    """Return the run spans, in the order of their begin."""
    spans = stage.collector.wait_for_spans(number, named="run ", deadline_s=30)
    assert len(spans) == number
    return sorted(filter(is_run, spans), key=lambda span: span.start_ns)


def sources(runs: list[Span]) -> list[Any]:
    """Return where each run's memory is from."""
    return [run.attributes.get(c.JOBSPAN_JOB_MEMORY_SOURCE) for run in runs]


def used(attributes: Mapping[str, Any]) -> float:
    """Return by how many megabytes a run's memory rose at its highest."""
    return float(attributes[c.JOBSPAN_JOB_MEMORY_PEAK] - attributes[c.JOBSPAN_JOB_MEMORY_START]) / MEGABYTE


def about(megabytes: float) -> Any:
    """Within 5 % or 2 MB."""
    return pytest.approx(megabytes, rel=0.05, abs=2)


@pytest.mark.parametrize("kind", WORKERS)
def test_a_run_alone_in_its_process_has_its_own_exact_peak_however_large_the_one_before(
    stage: Stage, kind: str
) -> None:
    runs = measured(stage, kind, "allocate=200", "native=60", "mapped=90", "native=10", "mapped=4", "ok")
    assert_true(stage.collector.spans, stage.diary)
    assert [used(run.attributes) for run in runs] == [about(m) for m in (200, 60, 90, 10, 4, 0)]
    assert sources(runs) == ["exact"] * 6
    assert [run.attributes[c.JOBSPAN_JOB_CONCURRENCY] for run in runs] == [1] * 6


def test_runs_beside_each_other_are_sampled_and_share_their_peak(stage: Stage) -> None:
    runs = measured(stage, "hungry_dramatiq", "hold=80", "hold=80", threads=2)
    assert sources(runs) == ["sampled"] * 2
    assert [run.attributes[c.JOBSPAN_JOB_CONCURRENCY] for run in runs] == [2, 2]
    before = min(run.attributes[c.JOBSPAN_JOB_MEMORY_START] for run in runs)
    peaks = [(run.attributes[c.JOBSPAN_JOB_MEMORY_PEAK] - before) / MEGABYTE for run in runs]
    assert peaks == [about(160)] * 2


def test_a_run_within_a_run_leaves_the_outer_ones_mark_alone_and_neither_is_exact(stage: Stage) -> None:
    outer, inner = measured(stage, "hungry", "around_another=100", runs=2)
    assert sources([outer, inner]) == ["sampled"] * 2
    assert [used(run.attributes) for run in (outer, inner)] == [about(100)] * 2


def test_greenlets_are_sampled_and_say_nothing_of_cpu(stage: Stage) -> None:
    pytest.importorskip("gevent")
    stage.set(OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH="patch_all")
    runs = measured(stage, "hungry", "hold=30", "hold=30", "hold=30", pool="gevent", concurrency=10)
    assert_true(stage.collector.spans, stage.diary)
    assert sources(runs) == ["sampled"] * 3
    assert max(used(run.attributes) for run in runs) == about(90)
    assert not any(c.JOBSPAN_JOB_CPU_TIME in run.attributes for run in runs)


def test_when_only_sampled_is_asked_for_the_application_keeps_its_mark(stage: Stage) -> None:
    stage.set(OTEL_PYTHON_JOBSPAN_MEMORY="sampled")
    *_, held = runs = measured(stage, "hungry", "allocate=150", "see_the_mark=150", "hold=40")
    assert sources(runs) == ["sampled"] * 3
    assert used(held.attributes) == about(40)
    assert stage.diary.troubles == ()


def test_switched_off_nothing_is_said_of_memory(stage: Stage) -> None:
    stage.set(OTEL_PYTHON_JOBSPAN_MEMORY="off")
    start(stage, "hungry", expect=LOGGED)
    put(stage, "hungry", "allocate=150", "see_the_mark=150", "killed_holding=10")
    runs = runs_of(stage, 3)
    assert [name for run in runs for name in run.attributes if ".memory." in name] == []
    assert stage.diary.troubles == ()


def test_a_child_that_grew_past_its_limit_is_recycled(stage: Stage) -> None:
    start(stage, "hungry", args=["--max-memory-per-child", str(200 * 1024)])
    for job in ("ok", "ok", "allocate=300", "ok"):
        put(stage, "hungry", job)
        stage.wait_until_ended(len(stage.diary.publishes))
    first, second, third, fourth = runs_of(stage, 4)
    pids = [run.attributes[c.PROCESS_PID] for run in (first, second, third, fourth)]
    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert sources([first, second, third, fourth]) == ["exact"] * 4


def test_a_child_that_was_past_its_limit_before_its_first_run_is_recycled_too(stage: Stage) -> None:
    stage.set(TEST_EARLY_MEGABYTES="300")
    start(stage, "hungry", args=["--max-memory-per-child", str(200 * 1024)])
    for job in ("allocate=50", "ok"):
        put(stage, "hungry", job)
        stage.wait_until_ended(len(stage.diary.publishes))
    runs = runs_of(stage, 2)
    assert len({run.attributes[c.PROCESS_PID] for run in runs}) == 2
    assert sources(runs) == ["sampled"] * 2


def test_what_a_killed_run_held_is_known_from_its_last_reading(stage: Stage) -> None:
    start_warm(stage, "hungry", expect=LOGGED)
    put(stage, "hungry", "killed_holding=120")
    _, lost = runs_of(stage, 2)
    assert_true(stage.collector.spans, stage.diary)
    assert sources([lost]) == ["sampled"]
    assert used(lost.attributes) == about(120)
    assert lost.attributes[c.JOBSPAN_JOB_MEMORY_END] == lost.attributes[c.JOBSPAN_JOB_MEMORY_PEAK]
