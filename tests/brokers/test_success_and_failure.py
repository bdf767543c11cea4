"""Real workers over a real broker: what the spans say is what the jobs' own diary says, down to the last attribute."""

from __future__ import annotations

from typing import Any

import pytest

from jobspan.runs import Span
from support.compare import assert_true
from support.matching import (
    ANY_INT,
    ANY_NOT_NEGATIVE,
    ANY_POSITIVE,
    ANY_TEXT,
    assert_spans,
    containing,
    expected_exception,
    expected_link,
    expected_span,
    optional,
)
from support.stage import Stage
from support.waiting import wait_until

pytestmark = pytest.mark.every_python

JOBS = {
    # put, runs that follow
    "ok": 1,
    "slow=0.3": 1,
    "fail": 1,
    "retry_then_succeed=2": 3,
    "autoretry_then_succeed": 2,
    "exhaust": 2,
    "nest=3": 4,
    "allocate=20": 1,
}


def spans_of_all(stage: Stage, runs: int) -> tuple[Span, ...]:
    """Wait until so many runs have ended and been exported."""
    stage.wait_until_ended(runs)
    wait_until(
        lambda: sum(span.kind == "consumer" for span in stage.collector.spans) >= runs,
        deadline_s=15,
        what=f"{runs} run spans arrive",
    )
    return stage.collector.spans


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_every_run_and_publish_is_told_as_it_happened(each_stage: Stage, framework: str) -> None:
    getattr(each_stage, framework)()
    each_stage.put(*(f"{framework}:{job}" for job in JOBS))
    spans = spans_of_all(each_stage, sum(JOBS.values()))
    assert_true(spans, each_stage.diary)


def publish_attributes(stage: Stage, framework: str, job: str, **more: Any) -> dict[str, Any]:
    """What every publish span says, whatever the framework."""
    return {
        "messaging.system": "redis",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "work",
        "messaging.message.id": ANY_TEXT,
        "messaging.message.conversation_id": optional(ANY_TEXT),
        "server.address": stage.broker.host,
        "server.port": stage.broker.port,
        "jobspan.framework": framework,
        "jobspan.job.name": job_name(framework, job),
        "jobspan.job.attempt": 1,
        "jobspan.command.id": ANY_TEXT,
        "jobspan.command.name": "command.py put",
        **more,
    }


def run_attributes(stage: Stage, framework: str, job: str, outcome: str, **more: Any) -> dict[str, Any]:
    """What every run span says, whatever the framework."""
    return {
        **publish_attributes(stage, framework, job),
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.client.id": containing(f"{framework}@"),
        "code.function.name": f"apps.{framework}_app.{job}",
        "jobspan.job.outcome": outcome,
        "jobspan.job.final": outcome != "retried",
        "jobspan.job.max_attempts": optional(ANY_INT),
        "jobspan.job.wait.queued": ANY_NOT_NEGATIVE,
        "jobspan.job.wait.prefetched": ANY_NOT_NEGATIVE,
        "jobspan.job.cpu.time": ANY_POSITIVE,
        "jobspan.job.memory.start": ANY_POSITIVE,
        "jobspan.job.memory.end": ANY_POSITIVE,
        "jobspan.job.memory.peak": ANY_POSITIVE,
        "jobspan.job.memory.source": ANY_TEXT if framework == "dramatiq" else "exact",
        "jobspan.job.concurrency": ANY_INT if framework == "dramatiq" else 1,
        "process.pid": ANY_INT,
        "thread.id": ANY_INT,
        "thread.name": ANY_TEXT,
        **more,
    }


def job_name(framework: str, job: str) -> str:
    """Celery prefixes the module."""
    return f"apps.celery_app.{job}" if framework == "celery" else job


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_both_frameworks_give_the_same_whole_spans(stage: Stage, framework: str) -> None:
    getattr(stage, framework)()
    stage.put(f"{framework}:ok", f"{framework}:fail", exit_code=3)
    ok, fail = job_name(framework, "ok"), job_name(framework, "fail")
    error = {"error.type": "apps.errors.CardDeclined"}
    command = {
        "jobspan.command.name": "command.py put",
        "jobspan.command.id": ANY_TEXT,
        "jobspan.command.jobs.published": 2,
        "jobspan.command.jobs.failed_to_publish": 0,
        "process.executable.name": ANY_TEXT,
        "process.pid": ANY_INT,
        "process.exit.code": 3,
        "jobspan.command.outcome": "failed",
        "error.type": "3",
    }
    assert_spans(
        spans_of_all(stage, 2),
        [
            expected_span("command.py put", "internal", id="command", attributes=command, status="error"),
            expected_span(
                f"publish {ok}",
                "producer",
                id="ok put",
                parent="command",
                attributes=publish_attributes(stage, framework, "ok"),
            ),
            expected_span(
                f"publish {fail}",
                "producer",
                id="fail put",
                parent="command",
                attributes=publish_attributes(stage, framework, "fail"),
            ),
            expected_span(
                f"run {ok}",
                "consumer",
                id="ok",
                parent="ok put",
                attributes=run_attributes(stage, framework, "ok", "succeeded"),
                links=[expected_link("publish", "ok put")],
            ),
            expected_span(
                f"run {fail}",
                "consumer",
                id="fail",
                parent="fail put",
                attributes=run_attributes(stage, framework, "fail", "failed", **error)
                | ({"jobspan.job.dead_lettered": True} if framework == "dramatiq" else {}),
                status="error",
                status_message="card 4711 declined",
                links=[expected_link("publish", "fail put")],
                events=[
                    expected_exception(
                        "apps.errors.CardDeclined",
                        "card 4711 declined",
                        containing("BankUnreachable: bank answered 503", "direct cause", "CardDeclined: card 4711"),
                    )
                ],
            ),
        ],
    )


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_memory_and_waits_are_those_of_the_job(stage: Stage, framework: str) -> None:
    stage.put(f"{framework}:slow=0.5", f"{framework}:ok")
    getattr(stage, framework)(**({"concurrency": 1} if framework == "celery" else {"threads": 1}))
    runs = sorted((span for span in spans_of_all(stage, 2) if span.kind == "consumer"), key=lambda span: span.start_ns)
    puts = {span.span_id: span for span in stage.collector.spans if span.kind == "producer"}
    for run in runs:
        waited = run.attributes["jobspan.job.wait.queued"] + run.attributes["jobspan.job.wait.prefetched"]
        # The publish time travels in milliseconds.
        assert waited == pytest.approx((run.start_ns - puts[str(run.parent_id)].start_ns) / 1e9, abs=0.002)
    slow, after = runs
    assert slow.attributes["jobspan.job.cpu.time"] < 0.4
    assert after.attributes["jobspan.job.wait.prefetched"] >= 0.4 or after.attributes["jobspan.job.wait.queued"] >= 0.4


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
@pytest.mark.parametrize("relation", ["link", "none"])
def test_the_other_relations_tell_the_same_truth(stage: Stage, framework: str, relation: str) -> None:
    stage.set(OTEL_PYTHON_JOBSPAN_RELATION=relation)
    getattr(stage, framework)()
    stage.put(f"{framework}:ok", f"{framework}:nest=2", f"{framework}:retry_then_succeed")
    assert_true(spans_of_all(stage, 6), stage.diary, relation=relation)


def test_celery_and_dramatiq_in_one_command_are_one_trace_over_http_too(stage: Stage) -> None:
    stage.export_over_http()
    stage.celery()
    stage.dramatiq()
    stage.put("celery:nest=2", "dramatiq:nest=2", "celery:fail", "dramatiq:exhaust")
    spans = spans_of_all(stage, 9)
    assert_true(spans, stage.diary)
    assert len({span.trace_id for span in spans}) == 1
    assert len({span.attributes["jobspan.command.id"] for span in spans}) == 1
