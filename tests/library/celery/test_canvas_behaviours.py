"""What we lean on in Celery's workflows, schedules and old messages: an upgrade that changes it fails here first."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import celery.beat
import pytest
from celery import Celery, Task, canvas, chord, group, signals
from celery.contrib.testing.worker import start_worker

from jobspan import CeleryInstrumentor
from jobspan import conventions as c
from jobspan.instrumentors.celery.mapping import carrier_of, job_from_headers
from library.conftest import Instrumentation


def new_app(**settings: Any) -> Celery:
    """An application of its own on a memory broker."""
    app = Celery(f"app-{uuid4()}", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.update(task_default_queue=f"work-{uuid4()}", worker_hijack_root_logger=False, **settings)
    return app


def task_of(app: Celery) -> Task:
    """A task of that application."""

    def plain(*_: Any) -> None:
        return None

    return app.task(name="plain", shared=False)(plain)


def test_a_chord_runs_with_its_header_and_body_first() -> None:
    seen: list[tuple[Any, Any]] = []

    class Seen(canvas._chord):  # type: ignore[misc]  # Celery has no types
        def run(self, header: Any, body: Any, *_: Any, **__: Any) -> None:
            seen.append((header, body))

    task = task_of(new_app())
    Seen([task.s(), task.s()], task.si(), app=task.app).apply_async()
    ((header, body),) = seen
    assert [member["task"] for member in header.tasks] == ["plain", "plain"]
    assert body["task"] == "plain"


def test_chunks_and_a_chords_header_are_sent_as_groups() -> None:
    task, sent = task_of(new_app()), list[str]()
    receive: Callable[..., None] = lambda sender, **_: sent.append(sender)  # noqa: E731 - a receiver with its type
    signals.before_task_publish.connect(receive, weak=False)
    try:
        task.chunks([(1,), (2,)], 1).apply_async()
        chord([task.s()])(task.s())
    finally:
        signals.before_task_publish.disconnect(receive)
    assert sent == ["celery.starmap", "celery.starmap", "plain"]
    assert isinstance(task.chunks([(1,)], 1).group(), group)


def test_beat_sends_an_entry_through_apply_entry_and_apply_async() -> None:
    app = new_app(beat_schedule={"one": {"task": "plain", "schedule": 60.0}})
    seen: list[tuple[Any, ...]] = []

    class Seen(celery.beat.Scheduler):  # type: ignore[misc]  # Celery has no types
        def apply_async(self, entry: Any, **_: Any) -> Any:
            seen.append((entry.name, entry.task))
            return SimpleNamespace(id="1")

    scheduler = Seen(app)
    scheduler.apply_entry(scheduler.schedule["one"])
    assert seen == [("one", "plain")]


def test_a_message_of_the_old_protocol_keeps_its_headers_aside_and_its_run_finds_them(
    instrumentation: Instrumentation, until: Callable[[Callable[[], Any]], None]
) -> None:
    instrumentation.on(CeleryInstrumentor())
    app = new_app(task_protocol=1)
    task = task_of(app)
    with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=10):
        task.delay(1)
        until(lambda: len(instrumentation.spans) == 2)
    publish, run = instrumentation.spans
    assert (run.name, run.parent_id) == ("run plain", publish.span_id)
    assert run.attributes[c.MESSAGING_MESSAGE_ID] == publish.attributes[c.MESSAGING_MESSAGE_ID]


def test_ours_is_found_beneath_headers_only_where_it_is_not_above() -> None:
    above: Any = SimpleNamespace(headers={c.FIELD: "old"}, **{c.FIELD: "new"})
    beneath: Any = SimpleNamespace(headers={c.FIELD: "text"})
    assert carrier_of(above)[c.FIELD] == "new"
    assert carrier_of(beneath)[c.FIELD] == "text"


def test_the_delay_that_celery_puts_before_a_routing_key_is_not_the_jobs() -> None:
    delayed = "0." * 25 + "1.0.1." + "order.new"
    job = job_from_headers("plain", {"id": "1"}, {}, None, "celery_delayed_27", delayed)
    assert (job.queue, job.routing_key) == ("order.new", "order.new")


def test_celery_delays_with_twenty_eight_bits_before_the_routing_key() -> None:
    delivery = pytest.importorskip("kombu.transport.native_delayed_delivery", reason="kombu before 5.5 has none")
    key = delivery.calculate_routing_key(5, "order.new")
    assert job_from_headers("plain", {"id": "1"}, {}, None, "celery_delayed_27", key).queue == "order.new"
