"""A small true story with the spans that tell it: what the proofs plant their lies in."""

from __future__ import annotations

from typing import Any

from jobspan.runs import Link, Span, SpanEvent
from support.compare import Truth
from support.diary import TrueCommand, TruePublish, TrueRun

COMMAND_PID, WORKER_PID = 100, 200


def truth() -> Truth:
    """A command puts ``charge``, which is retried once, then publishes ``receipt``, which fails."""
    return Truth(
        runs=(
            _true_run("charge", "a", 1, began_ns=200, outcome="retried", final=False, error_type="bank.Busy"),
            _true_run("charge", "a", 2, began_ns=400, outcome="succeeded", final=True),
            _true_run("receipt", "b", 1, began_ns=600, outcome="failed", final=True, error_type="ValueError"),
        ),
        publishes=(
            TruePublish("celery", "charge", "a", 1, by_command=COMMAND_PID),
            TruePublish("celery", "charge", "a", 2, by_run=("a", 1, 1)),
            TruePublish("celery", "receipt", "b", 1, by_run=("a", 2, 1)),
        ),
        commands=(TrueCommand("tool charge", COMMAND_PID, 0),),
    )


def spans() -> dict[str, Span]:
    """Return the spans that tell it, by their span id."""
    told = [
        _span("command", None, "tool charge", "internal", 100, 190, _command_attributes()),
        _publish("publish1", "command", "charge", "a", 1, 110),
        _run("run1", "publish1", "charge", "a", 1, 190, outcome="retried", final=False, error="bank.Busy"),
        _publish("publish2", "run1", "charge", "a", 2, 210),
        _run("run2", "publish2", "charge", "a", 2, 390, outcome="succeeded", previous="run1"),
        _publish("publish3", "run2", "receipt", "b", 1, 410),
        _run("run3", "publish3", "receipt", "b", 1, 590, outcome="failed", error="ValueError"),
        _span("redis", "publish1", "LPUSH", "client", 115, 116, {"db.system.name": "redis"}),
    ]
    return {span.span_id: span for span in told}


def _true_run(job: str, job_id: str, attempt: int, *, began_ns: int, **facts: Any) -> TrueRun:
    return TrueRun("celery", job, job_id, attempt, 1, WORKER_PID, began_ns, began_ns + 50, **facts)


def _command_attributes() -> dict[str, Any]:
    return {
        "jobspan.command.name": "tool charge",
        "jobspan.command.id": "command",
        "jobspan.command.jobs.published": 1,
        "process.pid": COMMAND_PID,
        "process.exit.code": 0,
    }


def _publish(span_id: str, parent: str, job: str, job_id: str, attempt: int, start_ns: int) -> Span:
    attributes = _job_attributes("publish", job, job_id, attempt)
    return _span(span_id, parent, f"publish {job}", "producer", start_ns, start_ns + 10, attributes)


def _run(
    span_id: str,
    parent: str,
    job: str,
    job_id: str,
    attempt: int,
    start_ns: int,
    *,
    outcome: str,
    final: bool = True,
    error: str | None = None,
    previous: str | None = None,
) -> Span:
    attributes = {
        **_job_attributes("run", job, job_id, attempt),
        "jobspan.job.outcome": outcome,
        "jobspan.job.final": final,
        "process.pid": WORKER_PID,
        **({"error.type": error} if error else {}),
    }
    links = [Link("t", parent, {"jobspan.link.type": "publish"})]
    links += [Link("t", previous, {"jobspan.link.type": "previous_attempt"})] if previous else []
    return _span(
        span_id,
        parent,
        f"run {job}",
        "consumer",
        start_ns,
        start_ns + 100,
        attributes,
        status="error" if error else "unset",
        links=tuple(links),
        events=(SpanEvent("exception", start_ns + 60, {"exception.type": error}),) if error else (),
    )


def _job_attributes(operation: str, job: str, job_id: str, attempt: int) -> dict[str, Any]:
    return {
        "messaging.operation.name": operation,
        "messaging.message.id": job_id,
        "jobspan.framework": "celery",
        "jobspan.job.name": job,
        "jobspan.job.attempt": attempt,
    }


def _span(
    span_id: str,
    parent: str | None,
    name: str,
    kind: str,
    start_ns: int,
    end_ns: int,
    attributes: dict[str, Any],
    **more: Any,
) -> Span:
    return Span("t", span_id, parent, name, kind, start_ns, end_ns, attributes=attributes, **more)
