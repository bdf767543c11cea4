"""A job that comes after others of its kind is recorded as if it were the first: nothing of the others is in it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import dramatiq
import pytest
from celery import Celery
from celery.app.trace import build_tracer
from dramatiq.brokers.stub import StubBroker

import jobspan
from jobspan import CeleryInstrumentor, DramatiqInstrumentor
from jobspan import conventions as c
from jobspan.instrumentors.celery import publish_hooks, run_hooks
from jobspan.instrumentors.dramatiq.mapping import BrokerFacts
from jobspan.instrumentors.job_patterns import Patterns
from jobspan.instrumentors.schedules import Schedule, current_schedule
from jobspan.testing import a_run
from library.conftest import Instrumentation

MS = 1_700_000_000_000
FIELD = f"1;t={MS};d=1;s={MS}"
CHANGING = ("cpu", "memory", "wait", "scheduled_at")
Said = dict[str, Any]


def noop(*_: Any) -> None:
    """Do nothing."""


def said_of_the_last(instrumentation: Instrumentation) -> tuple[str, Said]:
    """Return what the span that began last says; of what no two are alike in, whether it says that."""
    span = instrumentation.spans[-1]
    recorded = {
        name: name if any(part in name for part in CHANGING) else said for name, said in span.attributes.items()
    }
    return span.name, recorded | {
        "has parent": span.parent_id is not None,
        "links": [link.attributes for link in span.links],
    }


# Runs of Celery.


def request(**facts: Any) -> Said:
    """What a worker knows of a message."""
    usual = {
        "id": "1",
        "task": "patterned",
        "hostname": "w1",
        "is_eager": False,
        "retries": 0,
        "timelimit": [None, None],
        "delivery_info": {"routing_key": "mail"},
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        c.FIELD: FIELD,
    }
    return usual | facts


def set_on(name: str, value: Any) -> Callable[[Any], None]:
    """Return what sets an attribute of a task or an actor while it is in use."""
    return lambda job: setattr(job, name, value)


CELERY_RUNS: dict[str, Any] = {
    "another id": {"id": "2"},
    "no trace": {"traceparent": None},
    "a trace that is none": {"traceparent": "00-x"},
    "a trace state": {"tracestate": "a=1", "baggage": "b=2"},
    "an attempt": {"retries": 2},
    "due later": {"eta": "2030-01-01T00:00:00+00:00"},
    "expires": {"expires": "2130-01-01T00:00:00+00:00"},
    "in a group": {"group": "g"},
    "its own limits": {"timelimit": [20, 10]},
    "its own soft limit": {"timelimit": (None, 10)},
    "another queue": {"delivery_info": {"routing_key": "other"}},
    "an exchange alone": {"delivery_info": {"exchange": "letters"}},
    "no delivery at all": {"delivery_info": None},
    "a priority": {"delivery_info": {"routing_key": "mail", "priority": 5}},
    "delivered again": {"delivery_info": {"routing_key": "mail", "redelivered": True}},
    "another worker": {"hostname": "w2"},
    "a workflow": {"root_id": "root", "parent_id": "parent"},
    "its own parent": {"parent_id": "1"},
    "a command": {c.FIELD: FIELD + ";c=0123456789abcdef;n=import;p=caller"},
    "a queue that it was put on": {c.FIELD: FIELD + ";q=asked"},
    "a chosen option": {c.FIELD: FIELD + ";u=a1"},
    "an attempt before it": {c.FIELD: FIELD + f";a={'a' * 32}-{'b' * 16}"},
    "no field": {c.FIELD: None},
    "a field that is none": {c.FIELD: "9;x"},
    "what cannot be hashed": {"hostname": ["w1"], "delivery_info": {"routing_key": "mail"}},
    "an empty group": {"group": ""},
    "a soft limit set": set_on("soft_time_limit", 7),
    "a soft limit that is a fraction": set_on("soft_time_limit", 7.0),
    "another function": set_on("run", lambda *_: None),
    "another name": set_on("name", "renamed"),
    "a hard limit set": set_on("time_limit", 9),
    "retries by itself": lambda job: (set_on("autoretry_for", (OSError,))(job), set_on("max_retries", 4)(job)),
    "arguments asked for": jobspan.options(args=True),
    "no memory": jobspan.options(memory=False),
    "another relation": jobspan.options(relation="link"),
}


def celery_run(instrumentation: Instrumentation, change: Any, *, learned: bool) -> tuple[str, Said]:
    """Return what is recorded of a run; ``learned``: others have gone before it."""
    app = Celery("patterns", broker="memory://", set_as_current=False)
    task = app.task(name="patterned", shared=False)(noop)
    app.finalize()
    run = build_tracer("patterned", task, app=app)
    for limit in (None, 7) if learned else ():
        task.soft_time_limit = limit
        run("0", (), {}, request(id="0", root_id="zero", parent_id="nil"))
        run("0", (), {}, request(id="0", root_id="zero", parent_id="nil"))
        task.soft_time_limit = None
    facts = change if isinstance(change, dict) else {}
    if not facts:
        change(task)
    run("1", (1, "a"), {}, request(**facts))
    return said_of_the_last(instrumentation)


@pytest.mark.parametrize("change", CELERY_RUNS)
def test_a_run_of_celery(instrumentation: Instrumentation, change: str) -> None:
    instrumentation.on(CeleryInstrumentor())
    first = celery_run(instrumentation, CELERY_RUNS[change], learned=False)
    assert celery_run(instrumentation, CELERY_RUNS[change], learned=True) == first


# Publishes of Celery.


def inside(**facts: Any) -> Callable[[Celery], None]:
    """Return a publish inside a block of options."""

    def put(app: Celery) -> None:
        with jobspan.options(**facts):
            app.send_task("work", task_id="1")

    return put


def scheduled(app: Celery) -> None:
    """Put a task as a scheduler does."""
    token = current_schedule.set(Schedule("beat", "nightly"))
    app.send_task("work", task_id="1")
    current_schedule.reset(token)


CELERY_PUBLISHES: dict[str, Any] = {
    "another id": {"task_id": "2"},
    "another name": {"name": "play"},
    "one that is known": {"name": "known"},
    "an attempt": {"retries": 1},
    "due later": {"countdown": 60},
    "expires": {"expires": datetime(2130, 1, 1, tzinfo=timezone.utc)},
    "in a group": {"group_id": "g"},
    "limits": {"time_limit": 20, "soft_time_limit": 10},
    "a priority": {"priority": 5},
    "another queue": {"queue": "other"},
    "another routing key": {"routing_key": "elsewhere"},
    "a workflow": {"root_id": "root", "parent_id": "parent"},
    "arguments asked for here": inside(args=True),
    "not traced": inside(trace=False),
    "put by a schedule": scheduled,
}


def celery_publish(instrumentation: Instrumentation, change: Any, *, learned: bool) -> tuple[str, Said]:
    """Return what is recorded of a publish; ``learned``: others have gone before it."""
    app = Celery("patterns", broker="memory://", set_as_current=False)
    app.task(name="known", shared=False)(noop)
    for _ in range(2 if learned else 0):
        app.send_task("work", task_id="0", root_id="zero", parent_id="nil")
    app.send_task("another", task_id="between")
    if isinstance(change, dict):
        app.send_task(**{"name": "work", "task_id": "1", **change})
    else:
        change(app)
    return said_of_the_last(instrumentation)


@pytest.mark.parametrize("change", CELERY_PUBLISHES)
def test_a_publish_of_celery(instrumentation: Instrumentation, change: str) -> None:
    instrumentation.on(CeleryInstrumentor())
    first = celery_publish(instrumentation, CELERY_PUBLISHES[change], learned=False)
    assert celery_publish(instrumentation, CELERY_PUBLISHES[change], learned=True) == first


# Dramatiq, publish and run.


def on_actor(name: str, value: Any) -> Callable[[Any], None]:
    """Return what sets an option of an actor while it is in use."""
    return lambda actor: actor.options.update({name: value})


DRAMATIQ: dict[str, Any] = {
    "an attempt": {"retries": 2},
    "its own limit": {"time_limit": 5000},
    "its own retries": {"max_retries": 3},
    "due at": {"eta": 1_900_000_000_000},
    "a next step": {"pipe_target": {"message_id": "next", "actor_name": "work", "queue_name": "default"}},
    "a priority set": set_on("priority", 7),
    "a priority that is none": set_on("priority", 0.0),
    "a limit set": on_actor("time_limit", 9000),
    "retries set": on_actor("max_retries", 5),
    "arguments asked for": jobspan.options(args=True),
}


def dramatiq_job(instrumentation: Instrumentation, change: Any, *, learned: bool) -> list[tuple[str, Said]]:
    """Return what is recorded of a publish and its run; ``learned``: others have gone before it."""
    broker = StubBroker()
    actor: Any = dramatiq.actor(broker=broker, actor_name="work", max_retries=2)(noop)

    def travel(message_id: str, **options: Any) -> list[tuple[str, Said]]:
        message = actor.message_with_options(args=(1,), **options).copy(message_id=message_id)
        broker.enqueue(message)
        recorded = [said_of_the_last(instrumentation)]
        delivered = dramatiq.MessageProxy(message)
        broker.emit_before("process_message", delivered)
        broker.emit_after("process_message", delivered, result=None)
        return [*recorded, said_of_the_last(instrumentation)]

    for number in range(2 if learned else 0):
        travel(f"before-{number}")
    if not isinstance(change, dict):
        change(actor)
    return travel("1", **(change if isinstance(change, dict) else {}))


@pytest.mark.parametrize("change", DRAMATIQ)
def test_a_job_of_dramatiq(instrumentation: Instrumentation, change: str) -> None:
    instrumentation.on(DramatiqInstrumentor())
    first = dramatiq_job(instrumentation, DRAMATIQ[change], learned=False)
    assert first[0][0] == "publish work"
    assert first[1][0] == "run work"
    assert dramatiq_job(instrumentation, DRAMATIQ[change], learned=True) == first


def test_nothing_keeps_apps_tasks_and_actors_that_the_application_dropped(instrumentation: Instrumentation) -> None:
    instrumentation.on(CeleryInstrumentor())
    instrumentation.on(DramatiqInstrumentor())
    gone: list[Any] = []
    for _ in range(3):
        app = Celery("patterns", broker="memory://", set_as_current=False)
        task = app.task(name="patterned", shared=False)(noop)
        app.send_task("work")
        task.delay()
        gone.append(weakref.ref(app))
        broker = StubBroker()
        actor: Any = dramatiq.actor(broker=broker, actor_name="work")(lambda *_: None)
        actor.send()
        gone += [weakref.ref(actor.fn), weakref.ref(broker)]
    del app, task, broker, actor
    gc.collect()
    assert [each() for each in gone] == [None] * len(gone)


def test_the_same_actor_under_another_name_is_recorded_by_that(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    actor: Any = dramatiq.actor(broker=broker, actor_name="new")(noop)
    broker.actors["old"] = actor
    for name in ("new", "old"):
        broker.enqueue(actor.message().copy(actor_name=name))
    assert [span.attributes[c.JOBSPAN_JOB_NAME] for span in instrumentation.spans] == ["new", "old"]


def test_as_many_kinds_as_there_may_be_leave_room_for_others_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobspan.instrumentors.job_patterns._MOST", 3)
    monkeypatch.setattr("jobspan.instrumentors.job_patterns._MOST_MISSED", 5)
    patterns, event = Patterns(), a_run()[0]
    for number in range(4):
        patterns.learn(number, event)
    assert [patterns.find(number) is not None for number in range(4)] == [True, True, True, False]
    for _ in range(4):
        patterns.learn("often", event)
    assert patterns.find("often") is not None
    assert patterns.find(0) is None


# Each of these would be recorded with what those before it have: the tests above would see it if they were taken for
# alike.
# All but those of which that is decided elsewhere.

ELSEWHERE = frozenset({"another id", "a workflow", "its own parent", "a command", "a queue that it was put on"})
ELSEWHERE |= {"no trace", "a trace that is none", "a trace state"}
ELSEWHERE |= {"a chosen option", "an attempt before it", "no field", "a field that is none", "another routing key"}
ELSEWHERE |= {"a priority that is none", "not traced", "arguments asked for here", "put by a schedule", "a next step"}


@pytest.mark.parametrize("change", [name for name in CELERY_RUNS if name not in ELSEWHERE])
def test_a_run_of_celery_that_is_taken_for_another_is_seen(
    instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    instrumentation.on(CeleryInstrumentor())
    truth = celery_run(instrumentation, CELERY_RUNS[change], learned=False)
    monkeypatch.setattr(run_hooks, "_key_of", lambda *_: "all are alike")
    assert celery_run(instrumentation, CELERY_RUNS[change], learned=True) != truth


@pytest.mark.parametrize("change", [name for name in CELERY_PUBLISHES if name not in ELSEWHERE])
def test_a_publish_of_celery_that_is_taken_for_another_is_seen(
    instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    instrumentation.on(CeleryInstrumentor())
    truth = celery_publish(instrumentation, CELERY_PUBLISHES[change], learned=False)
    monkeypatch.setattr(publish_hooks, "_key_of", lambda *_: "all are alike")
    monkeypatch.setattr(publish_hooks, "is_simple", lambda *_: True)
    assert celery_publish(instrumentation, CELERY_PUBLISHES[change], learned=True) != truth


@pytest.mark.parametrize("change", [name for name in DRAMATIQ if name not in ELSEWHERE])
def test_a_job_of_dramatiq_that_is_taken_for_another_is_seen(
    instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    instrumentation.on(DramatiqInstrumentor())
    truth = dramatiq_job(instrumentation, DRAMATIQ[change], learned=False)
    monkeypatch.setattr(BrokerFacts, "key", lambda *_: "all are alike")
    assert dramatiq_job(instrumentation, DRAMATIQ[change], learned=True) != truth
