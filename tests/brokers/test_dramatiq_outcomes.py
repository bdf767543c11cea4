"""Dramatiq's outcomes over real brokers: what the runs say is what the jobs' own diary says."""

from __future__ import annotations

import sys

import pytest

from jobspan.runs import Span, is_publish, is_run
from support.compare import assert_true
from support.stage import Stage
from support.waiting import wait_until
from support.workers import TESTS, script

JOBS = {
    # put, runs that follow
    "ok": 1,
    "fail": 1,
    "throws": 1,
    "retry_then_succeed=1": 2,
    "autoretry_then_succeed": 2,
    "exhaust": 2,
    "busy": 2,
    "over_limit": 1,
    "in_coroutine": 2,
    "nest=2": 3,
}
# Dramatiq raises a time limit in a thread, and greenlets share theirs.
NO_GREENLETS = {"over_limit"}
DELIBERATE = (r"TimeLimitExceeded|RateLimitExceeded|SkipMessage|ActorNotFound|DecodeError|JSONDecodeError|TypeError",)


def runs_after(stage: Stage, number: int) -> list[Span]:
    """Wait until so many run spans have arrived, and return all."""
    wait_until(
        lambda: sum(map(is_run, stage.collector.spans)) >= number,
        deadline_s=30,
        what=f"{number} run spans arrive, not {[span.name for span in stage.collector.spans if is_run(span)]}",
    )
    return [span for span in stage.collector.spans if is_run(span)]


def test_every_outcome_is_told_as_it_happened(each_stage: Stage) -> None:
    each_stage.dramatiq(threads=8, processes=2, expect=DELIBERATE)
    each_stage.put(*(f"dramatiq:{job}" for job in JOBS))
    each_stage.wait_until_ended(sum(JOBS.values()))
    runs_after(each_stage, sum(JOBS.values()))
    assert_true(each_stage.collector.spans, each_stage.diary)
    waiting = next(span for span in each_stage.collector.spans if span.name == "run in_coroutine")
    assert "jobspan.job.cpu.time" not in waiting.attributes


def test_what_never_ran_is_told_by_the_worker(each_stage: Stage) -> None:
    each_stage.dramatiq(threads=1, expect=DELIBERATE)
    each_stage.run("python", "-c", NEVER_RUN)
    ended = {span.attributes["jobspan.job.outcome"]: span for span in runs_after(each_stage, 2)}
    publishes = {span.span_id: span.name for span in each_stage.collector.spans if is_publish(span)}
    assert {outcome: publishes[str(span.parent_id)] for outcome, span in ended.items()} == {
        "unroutable": "publish gone",
        "expired": "publish ok",
    }
    assert each_stage.diary.runs == ()


NEVER_RUN = """
from apps.dramatiq_app import broker, ok
broker.enqueue(ok.message().copy(actor_name="gone"))
broker.enqueue(ok.message_with_options(max_age=1).copy(message_timestamp=1))
"""


@pytest.mark.every_python
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_not_forked_tell_their_runs(stage: Stage, method: str) -> None:
    program = stage.program("python", "-c", STARTED_BY.format(method=method), name=method)
    program.wait_for_log("Worker process is ready", times=1)
    stage.put("dramatiq:ok", "dramatiq:nest=1")
    stage.wait_until_ended(3)
    runs_after(stage, 3)
    assert_true(stage.collector.spans, stage.diary)


@pytest.mark.every_python
def test_a_worker_of_greenlets_tells_its_runs(stage: Stage) -> None:
    pytest.importorskip("gevent")
    stage.export_over_http()
    stage.set(OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH="patch_all")
    args = ("apps.dramatiq_app", "--processes", "1", "--threads", "8")
    worker = stage.program(script("dramatiq-gevent"), *args, name="green", expect=DELIBERATE)
    worker.wait_for_log("Worker process is ready", times=1)
    stage.set(OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH="")
    jobs = {job: runs for job, runs in JOBS.items() if job not in NO_GREENLETS}
    stage.put(*(f"dramatiq:{job}" for job in jobs))
    stage.wait_until_ended(sum(jobs.values()))
    runs_after(stage, sum(jobs.values()))
    assert_true(stage.collector.spans, stage.diary)


STARTED_BY = """
import multiprocessing, sys
from dramatiq.cli import main, make_argument_parser
if __name__ == "__main__":
    multiprocessing.set_start_method("{method}")
    sys.argv = ["dramatiq", "apps.dramatiq_app", "--processes", "1", "--threads", "2"]
    sys.exit(main())
"""


def test_a_group_tells_its_batch_and_its_callback_links_to_all_members(stage: Stage) -> None:
    stage.dramatiq(threads=4)
    stage.run(sys.executable, str(TESTS / "apps" / "dramatiq_group.py"))
    runs = runs_after(stage, 4)
    (batch,) = [span for span in stage.collector.spans if span.name == "publish batch group"]
    members = [span for span in stage.collector.spans if is_publish(span) and span.parent_id == batch.span_id]
    assert batch.attributes["messaging.batch.message_count"] == len(members) == 3
    (callback,) = [span for span in runs if span.attributes["jobspan.job.name"] == "slow"]
    linked = {link.span_id for link in callback.links if link.type == "member"}
    assert linked == {span.span_id for span in members}
    assert len({span.attributes["messaging.message.conversation_id"] for span in [*runs, *members]}) == 1
