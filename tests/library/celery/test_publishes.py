"""Every way to put a Celery task gives one publish span a message, and leaves the caller's context as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, Task, chain, chord, group, signals
from celery.canvas import StampingVisitor
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from opentelemetry import context as otel_context
from opentelemetry.trace import use_span

from jobspan import CeleryInstrumentor
from jobspan import conventions as c
from jobspan.runs import Span, is_publish, is_publish_batch
from library.conftest import Instrumentation

TOPIC = Queue("orders", Exchange("shop", type="topic"), routing_key="order.new")


def new_app(**settings: Any) -> Celery:
    """An application of its own on a memory broker of its own."""
    app = Celery(f"app-{uuid4()}", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.update(task_default_queue=f"work-{uuid4()}", **settings)
    return app


@pytest.fixture
def app(instrumentation: Instrumentation) -> Celery:
    """An application whose publishes are instrumented."""
    instrumentation.on(CeleryInstrumentor())
    return new_app()


@pytest.fixture
def add(app: Celery) -> Task:
    """A task."""

    def add(*numbers: int) -> int:
        return sum(numbers)

    return app.task(name="add", shared=False)(add)


def waiting(app: Celery, queue: str | None = None) -> list[Any]:
    """Take all messages off a queue."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        bound = app.amqp.queues[queue or app.conf.task_default_queue].bind(channel)
        bound.declare()
        return list(iter(bound.get, None))


def publishes(instrumentation: Instrumentation) -> tuple[Span, ...]:
    """All publish spans."""
    return tuple(span for span in instrumentation.spans if is_publish(span))


def parent_on(message: Any) -> str:
    """The span id that a message carries."""
    return str(message.headers["traceparent"].split("-")[2])


ONE_EACH: dict[str, tuple[Callable[[Task], Any], list[str]]] = {
    "delay": (lambda add: add.delay(1), ["add"]),
    "apply_async": (lambda add: add.apply_async((1,)), ["add"]),
    "countdown": (lambda add: add.apply_async((1,), countdown=5), ["add"]),
    "eta": (lambda add: add.apply_async((1,), eta=datetime.now(timezone.utc) + timedelta(hours=1)), ["add"]),
    "expires": (lambda add: add.apply_async((1,), expires=60), ["add"]),
    "limits": (lambda add: add.apply_async((1,), time_limit=9, soft_time_limit=8), ["add"]),
    "shadow": (lambda add: add.apply_async((1,), shadow="nicer name"), ["add"]),
    "priority": (lambda add: add.apply_async((1,), priority=4), ["add"]),
    "headers": (lambda add: add.apply_async((1,), headers={"mine": "yes"}), ["add"]),
    "link": (lambda add: add.apply_async((1,), link=add.s(2), link_error=add.si(3)), ["add"]),
    "ignore_result": (lambda add: add.apply_async((1,), ignore_result=True), ["add"]),
    "send_task": (lambda add: add.app.send_task("unknown.here", (1,)), ["unknown.here"]),
    "signature": (lambda add: add.s(1).delay(), ["add"]),
    "immutable signature": (lambda add: add.si(1).apply_async(countdown=3), ["add"]),
    "chain": (lambda add: chain(add.s(1), add.s(2), add.s(3)).delay(), ["add"]),
    "group": (lambda add: group(add.s(1), add.s(2)).delay(), ["add", "add"]),
    "generator": (lambda add: group(add.s(n) for n in range(3)).delay(), ["add"] * 3),
    "group of one": (lambda add: group([add.s(1)]).delay(), ["add"]),
    "chord": (lambda add: chord([add.s(1), add.s(2)])(add.s()), ["add", "add"]),
    "empty chord": (lambda add: chord([])(add.si(1)), ["add"]),
    "chain of groups": (lambda add: (group(add.s(1), add.s(2)) | add.si(3) | add.si(4)).delay(), ["add", "add"]),
    "group of chains": (lambda add: group(chain(add.s(1), add.s(2)), add.s(3)).delay(), ["add", "add"]),
    "nested group": (lambda add: group(add.s(1), group(add.s(2), add.s(3))).delay(), ["add"] * 3),
    "chord in group": (lambda add: group(chord([add.s(1), add.s(2)], add.si(3)), add.s(4)).delay(), ["add"] * 3),
    "chunks": (lambda add: add.chunks([(1, 1), (2, 2), (3, 3)], 2).apply_async(), ["celery.starmap"] * 2),
    "chunks as group": (lambda add: add.chunks([(1, 1), (2, 2)], 1).group().delay(), ["celery.starmap"] * 2),
    "map": (lambda add: add.map([1, 2]).delay(), ["celery.map"]),
    "starmap": (lambda add: add.starmap([(1, 1)]).delay(), ["celery.starmap"]),
}


@pytest.mark.parametrize("way", ONE_EACH)
def test_every_way_in_gives_one_publish_a_message(
    way: str, app: Celery, add: Task, instrumentation: Instrumentation
) -> None:
    put, names = ONE_EACH[way]
    tracer = instrumentation.provider.get_tracer("user")
    with use_span(tracer.start_span("caller"), end_on_exit=True) as caller:
        before = otel_context.get_current()
        put(add)
        assert otel_context.get_current() is before
    messages, recorded = waiting(app), publishes(instrumentation)
    assert sorted(span.attributes[c.JOBSPAN_JOB_NAME] for span in recorded) == names
    carried = {message.headers["id"]: parent_on(message) for message in messages}
    assert {span.attributes[c.MESSAGING_MESSAGE_ID]: span.span_id for span in recorded} == carried
    batches = {span.span_id: span for span in instrumentation.spans if is_publish_batch(span)}
    caller_id = f"{caller.get_span_context().span_id:016x}"
    for span in recorded:
        parent = span.parent_id
        while parent in batches:
            parent = batches[str(parent)].parent_id
        assert parent == caller_id
        assert (span.status, span.attributes[c.JOBSPAN_JOB_ATTEMPT]) == ("unset", 1)
        assert span.attributes[c.MESSAGING_DESTINATION_NAME] == app.conf.task_default_queue


@pytest.mark.parametrize(
    ("way", "batches"),
    [
        ("group", [("publish batch celery.group", 2)]),
        ("generator", [("publish batch celery.group", 3)]),
        ("chord", [("publish batch celery.chord", 2)]),
        ("chunks", [("publish batch celery.chunks", 2)]),
        ("nested group", [("publish batch celery.group", 3)]),
        ("chord in group", [("publish batch celery.group", 1), ("publish batch celery.chord", 2)]),
        ("chain", []),
        ("empty chord", []),
        ("starmap", []),
    ],
)
def test_one_call_that_puts_many_is_one_batch(
    way: str, batches: list[tuple[str, int]], add: Task, instrumentation: Instrumentation
) -> None:
    ONE_EACH[way][0](add)
    recorded = [span for span in instrumentation.spans if is_publish_batch(span)]
    assert [(span.name, span.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT]) for span in recorded] == batches
    assert {span.kind for span in recorded} <= {"internal"}


def test_the_options_asked_for_are_recorded(app: Celery, add: Task, instrumentation: Instrumentation) -> None:
    job_id = str(uuid4())
    add.apply_async(
        (1,), task_id=job_id, queue="fast", priority=4, expires=60, countdown=5, time_limit=9, soft_time_limit=8
    )
    (span,) = publishes(instrumentation)
    recorded = dict(span.attributes)
    assert recorded.pop(c.JOBSPAN_JOB_SCHEDULED_AT) < recorded.pop(c.JOBSPAN_JOB_EXPIRES_AT)
    assert recorded == {
        "messaging.system": "memory",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "fast",
        "messaging.message.id": job_id,
        "messaging.message.conversation_id": job_id,
        "jobspan.framework": "celery",
        "jobspan.job.name": "add",
        "jobspan.job.attempt": 1,
        "jobspan.job.priority": 4,
        "jobspan.job.time_limit.soft": 8.0,
        "jobspan.job.time_limit.hard": 9.0,
    }


@pytest.mark.parametrize(
    ("options", "destination"),
    [
        ({"queue": TOPIC}, "orders"),
        ({"queue": Queue("plain")}, "plain"),
        ({"queue": TOPIC, "exchange": TOPIC.exchange, "routing_key": "order.new"}, "orders"),
        ({"exchange": Exchange("other", type="topic"), "routing_key": "order.paid"}, "order.paid"),
        ({"exchange": "other", "routing_key": "order.paid"}, "order.paid"),
        ({"queue": TOPIC, "exchange": "other", "routing_key": "order.new"}, "order.new"),
        ({"routing_key": "by-key"}, None),
    ],
)
def test_the_destination_is_the_queue_when_known_else_the_routing_key(
    app: Celery, add: Task, instrumentation: Instrumentation, options: dict[str, Any], destination: str | None
) -> None:
    add.apply_async((1,), **options)
    (span,) = publishes(instrumentation)
    # With a direct exchange and a queue, Celery takes no notice of a routing key alone.
    assert span.attributes[c.MESSAGING_DESTINATION_NAME] == (destination or app.conf.task_default_queue)


def test_the_users_headers_and_stamps_arrive_and_his_own_mapping_is_untouched(
    app: Celery, add: Task, instrumentation: Instrumentation
) -> None:
    class Stamps(StampingVisitor):  # type: ignore[misc]  # Celery has no types
        def on_signature(self, sig: Any, **headers: Any) -> dict[str, str]:
            return {"tenant": "acme"}

    headers = {"mine": "yes", "traceparent": "mine too", "baggage": "tenant=acme"}
    add.apply_async((1,), headers=headers)
    stamped = group(add.s(1), add.s(2))
    stamped.stamp(visitor=Stamps())
    stamped.delay()
    plain, *others = waiting(app)
    assert headers == {"mine": "yes", "traceparent": "mine too", "baggage": "tenant=acme"}
    assert (plain.headers["mine"], plain.headers["baggage"]) == ("yes", "tenant=acme")
    assert [message.headers["stamps"] for message in others] == [{"tenant": "acme"}] * 2
    assert {parent_on(message) for message in (plain, *others)} == {s.span_id for s in publishes(instrumentation)}


def test_a_chords_body_that_is_the_users_own_is_left_as_it_was(app: Celery, add: Task) -> None:
    body = add.s(5).set(headers={"mine": "yes"})
    chord([add.s(1)], body).delay()
    chord([], body).run(group([add.s(1)]), body, ())
    assert body.options["headers"] == {"mine": "yes"}
    for message in waiting(app):
        sent = message.decode()[2]["chord"]["options"]["headers"]
        assert sorted(sent) == [c.MEMBERS_FIELD, "mine"]


def test_the_old_protocol_is_recorded_as_the_new(instrumentation: Instrumentation) -> None:
    instrumentation.on(CeleryInstrumentor())
    app = new_app(task_protocol=1)
    app.send_task("old", (1,), priority=3)
    (span,), (message,) = publishes(instrumentation), waiting(app)
    assert span.attributes[c.JOBSPAN_JOB_NAME] == "old"
    assert span.attributes[c.MESSAGING_MESSAGE_ID] == message.decode()["id"]
    assert parent_on(message) == span.span_id


def test_each_app_of_a_process_and_each_brought_connection_has_its_own_broker(
    app: Celery, add: Task, instrumentation: Instrumentation, tmp_path: Any
) -> None:
    other = Celery("other", broker="filesystem://", set_as_current=False)
    folder = {"data_folder_in": str(tmp_path), "data_folder_out": str(tmp_path), "control_folder": str(tmp_path)}
    other.conf.update(broker_transport_options=folder, task_ignore_result=True)
    other.send_task("elsewhere")
    with other.connection_for_write() as connection:
        add.apply_async((1,), connection=connection)
    with app.producer_pool.acquire(block=True) as producer:
        other.send_task("brought", producer=producer)
    systems = [(s.attributes[c.JOBSPAN_JOB_NAME], s.attributes[c.MESSAGING_SYSTEM]) for s in publishes(instrumentation)]
    assert systems == [("elsewhere", "filesystem"), ("add", "filesystem"), ("brought", "memory")]


def test_what_cannot_be_serialised_is_one_failed_publish(
    app: Celery, add: Task, instrumentation: Instrumentation
) -> None:
    before = otel_context.get_current()
    with pytest.raises(Exception) as raised:  # noqa: PT011 - kombu's error has changed its name
        add.delay(object())
    assert otel_context.get_current() is before
    (span,) = publishes(instrumentation)
    assert (span.status, span.attributes[c.ERROR_TYPE].rpartition(".")[2]) == ("error", type(raised.value).__name__)
    assert waiting(app) == []


def test_a_call_that_makes_no_message_is_one_failed_publish(app: Celery, instrumentation: Instrumentation) -> None:
    with pytest.raises(TypeError):
        app.send_task("add", args="no list", task_id="t1")
    (span,) = publishes(instrumentation)
    assert (span.attributes[c.MESSAGING_MESSAGE_ID], span.attributes[c.ERROR_TYPE]) == ("t1", "TypeError")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_publish_that_is_interrupted_is_ended_and_the_interrupt_goes_on(
    app: Celery, add: Task, instrumentation: Instrumentation, when: str
) -> None:
    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    signal = signals.before_task_publish if when == "before" else signals.after_task_publish
    signal.connect(interrupt, weak=False)
    try:
        before = otel_context.get_current()
        with pytest.raises(KeyboardInterrupt):
            group(add.s(1), add.s(2)).delay()
    finally:
        signal.disconnect(interrupt)
    assert otel_context.get_current() is before
    publish, batch = sorted(instrumentation.spans, key=is_publish_batch)
    assert (publish.attributes[c.ERROR_TYPE], batch.attributes[c.ERROR_TYPE]) == ("KeyboardInterrupt",) * 2
    assert batch.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] == 0


def test_brokers_that_are_down_give_one_failed_publish_however_often_kombu_tries(
    instrumentation: Instrumentation,
) -> None:
    instrumentation.on(CeleryInstrumentor())
    app = Celery("down", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.task_ignore_result = True
    before = otel_context.get_current()
    policy = {"max_retries": 2, "interval_start": 0.01, "interval_step": 0, "interval_max": 0.01}
    with pytest.raises(OperationalError):
        app.send_task("add", retry=True, retry_policy=policy)
    assert otel_context.get_current() is before
    (span,) = instrumentation.spans
    assert (span.status, span.attributes[c.ERROR_TYPE]) == ("error", "kombu.exceptions.OperationalError")


def test_a_handler_that_publishes_has_a_publish_of_its_own(
    app: Celery, add: Task, instrumentation: Instrumentation
) -> None:
    def also(sender: str, **_: Any) -> None:
        if sender == "add":
            app.send_task("audit")

    signals.before_task_publish.connect(also, weak=False)
    try:
        add.delay(1)
    finally:
        signals.before_task_publish.disconnect(also)
    recorded = {s.attributes[c.MESSAGING_MESSAGE_ID]: s.span_id for s in publishes(instrumentation)}
    assert recorded == {message.headers["id"]: parent_on(message) for message in waiting(app)}
    assert len(recorded) == 2


@pytest.mark.parametrize("way", ["group", "chord", "chunks", "chain"])
def test_an_eager_canvas_puts_nothing(way: str, app: Celery, add: Task, instrumentation: Instrumentation) -> None:
    app.conf.task_always_eager = True
    ONE_EACH[way][0](add)
    assert [span for span in instrumentation.spans if is_publish(span) or is_publish_batch(span)] == []


def test_a_generator_is_asked_by_celery_alone(app: Celery, add: Task, instrumentation: Instrumentation) -> None:
    asked: list[int] = []

    def tasks() -> Iterator[Any]:
        for number in range(3):
            asked.append(number)
            yield add.s(number)

    chord(tasks(), add.si(1)).delay()
    assert asked == [0, 1, 2]
    assert len(publishes(instrumentation)) == 3
