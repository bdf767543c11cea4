"""What real workers export is what the conventions promise: every name, type, unit and need."""

from __future__ import annotations

from typing import Any

import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_command, is_publish, is_publish_batch, is_run
from support.promised_points import breaches_of
from support.stage import Stage
from support.waiting import wait_until

pytestmark = pytest.mark.every_python

TYPES: dict[str, type] = {"string": str, "int": int, "double": float, "bool": bool}
LINK_ATTRIBUTES = {c.JOBSPAN_LINK_TYPE: {c.LINK_PUBLISH, c.LINK_PREVIOUS_ATTEMPT, c.LINK_MEMBER, c.LINK_AMBIENT}}
EXCEPTION_ATTRIBUTES = {c.EXCEPTION_TYPE, c.EXCEPTION_MESSAGE, c.EXCEPTION_STACKTRACE}
LOST_RUNS_ATTRIBUTES = {
    c.JOBSPAN_JOB_LOST_REASON,
    c.JOBSPAN_JOB_EXIT_CODE,
    c.JOBSPAN_JOB_EXIT_SIGNAL,
    c.JOBSPAN_JOB_OOM_KILLED,
    c.JOBSPAN_JOB_END_ESTIMATED,
}
JOBS = ("ok", "fail", "nest", "retry_then_succeed", "autoretry_then_succeed", "exhaust")
RUNS = 9


def breaches(span: Span) -> list[str]:
    """Say what a span of ours has that is not promised, or has not that is."""
    kinds = {"run": is_run, "publish": is_publish, "publish batch": is_publish_batch, "command": is_command}
    kind = next((kind for kind, fits in kinds.items() if fits(span)), "")
    if not kind:
        return [f"{span.name}: is no run, publish, batch or command"]
    rows = {row.name: row for row in c.ATTRIBUTES if kind in row.on}
    found = [f"{span.name}: {name} is not promised on a {kind} span" for name in set(span.attributes) - set(rows)]
    found += [
        f"{span.name}: {name} is {value!r}, promised {rows[name].type}"
        for name, value in span.attributes.items()
        if name in rows and type(value) is not TYPES[rows[name].type]
    ]
    found += [
        f"{span.name}: {row.name} is missing"
        for row in rows.values()
        if row.need == "R" and row.name not in span.attributes
    ]
    found += [f"{span.name}: link {link}" for link in span.links if not is_promised(link.attributes)]
    found += [f"{span.name}: event {e}" for e in span.events if not set(e.attributes) <= EXCEPTION_ATTRIBUTES]
    if (c.ERROR_TYPE in span.attributes) != span.is_error:
        found.append(f"{span.name}: error.type without status ERROR, or the other way round")
    return found


def is_promised(attributes: Any) -> bool:
    """Say whether a link's attributes are among those promised."""
    return all(value in LINK_ATTRIBUTES.get(name, ()) for name, value in attributes.items())


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_real_workers_export_what_is_promised_and_nothing_else(stage: Stage, framework: str) -> None:
    stage.set(OTEL_PYTHON_JOBSPAN_STARTED_EVENTS="true", OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN="logs/dup")
    getattr(stage, framework)()
    stage.put(*(f"{framework}:{job}" for job in JOBS), exit_code=4)
    stage.wait_until_ended(RUNS)
    wait_until(lambda: sum(map(is_run, stage.collector.spans)) >= RUNS, deadline_s=15, what=f"{RUNS} run spans arrive")
    spans = stage.collector.received
    assert [breach for received in spans for breach in breaches(received.span)] == []
    assert {(r.origin.scope, r.origin.schema_url, r.dropped) for r in spans} == {(c.SCOPE, c.SCHEMA_URL, 0)}
    seen = {name for received in spans for name in received.span.attributes}
    promised = {row.name for row in c.ATTRIBUTES}
    # These need a message or an option that asks for them, another broker, an eager call, a clock that is wrong or a
    # process that dies.
    assert promised - seen <= {
        c.JOBSPAN_JOB_ARGS,
        c.JOBSPAN_JOB_KWARGS,
        c.MESSAGING_RABBITMQ_ROUTING_KEY,
        c.MESSAGING_CONVERSATION_ID,
        c.JOBSPAN_JOB_EAGER,
        c.JOBSPAN_JOB_CLOCK_SKEW,
        c.JOBSPAN_COMMAND_EXIT_SIGNAL,
        c.PROCESS_COMMAND_ARGS,
        c.JOBSPAN_JOB_PRIORITY,
        c.JOBSPAN_JOB_EXPIRES_AT,
        c.JOBSPAN_JOB_TIME_LIMIT_SOFT,
        c.JOBSPAN_JOB_TIME_LIMIT_HARD,
        c.JOBSPAN_JOB_SCHEDULED_AT,
        c.JOBSPAN_JOB_WAIT_SCHEDULED,
        c.JOBSPAN_JOB_DEAD_LETTERED,
        c.JOBSPAN_JOB_REDELIVERED,
        c.JOBSPAN_JOB_GROUP_ID,
        c.JOBSPAN_JOB_SCHEDULED_BY,
        c.JOBSPAN_JOB_SCHEDULE_NAME,
        c.JOBSPAN_LINK_OMITTED,
        c.MESSAGING_BATCH_MESSAGE_COUNT,
        *LOST_RUNS_ATTRIBUTES,
    }
    events = {log.event for log in stage.collector.logs if log.origin.scope == c.SCOPE}
    assert events == {c.EVENT_JOB_STARTED, c.EVENT_COMMAND_STARTED, c.EVENT_PROCESS_EXCEPTION}
    stage.close()
    points = [point for point in stage.collector.points if point.origin.scope == c.SCOPE]
    assert [breach for point in points for breach in breaches_of(point)] == []
    assert {point.origin.schema_url for point in points} == {c.SCHEMA_URL}
    # These need a process that dies, a job that never runs, one that takes long, or one that is put among the dead;
    # of queues and workers tells only the monitor.
    unseen = {row.name for row in c.METRICS} - {point.name for point in points}
    assert unseen <= {
        c.METRIC_JOB_ACTIVE,
        c.METRIC_JOB_LOST,
        c.METRIC_JOB_CUT_OFF,
        c.METRIC_JOB_DROPPED,
        c.METRIC_JOB_DEAD_LETTERS,
        c.METRIC_QUEUE_DEPTH,
        c.METRIC_QUEUE_OLDEST_AGE,
        c.METRIC_QUEUE_HEALTH,
        c.METRIC_WORKERS,
        c.METRIC_TELEMETRY_DROPPED,
    }


def test_asked_for_limits_delays_and_priorities_are_told_with_their_types(rabbitmq_stage: Stage) -> None:
    rabbitmq_stage.celery()
    rabbitmq_stage.run("python", "-c", ASKS)
    wait_until(lambda: sum(map(is_run, rabbitmq_stage.collector.spans)) == 1, deadline_s=15, what="the run arrives")
    spans = rabbitmq_stage.collector.spans
    assert [breach for span in spans for breach in breaches(span)] == []
    for span in spans:
        assert {name: value for name, value in span.attributes.items() if name in ASKED} == ASKED
        assert c.JOBSPAN_JOB_SCHEDULED_AT in span.attributes
        assert c.JOBSPAN_JOB_EXPIRES_AT in span.attributes


ASKED = {
    c.JOBSPAN_JOB_TIME_LIMIT_SOFT: 20.0,
    c.JOBSPAN_JOB_TIME_LIMIT_HARD: 30.0,
    c.JOBSPAN_JOB_PRIORITY: 3,
    c.MESSAGING_SYSTEM: "rabbitmq",
}
ASKS = """
from apps.celery_app import ok
ok.apply_async(countdown=0.2, expires=60, priority=3, soft_time_limit=20, time_limit=30)
"""
