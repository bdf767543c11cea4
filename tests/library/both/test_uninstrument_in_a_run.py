"""A run under way when the instrumentation is switched off is recorded to its end, and leaves no context behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import dramatiq
import pytest
from celery import Celery, signals
from celery.app.trace import build_tracer
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import NoOpTracerProvider

from jobspan import CeleryInstrumentor, DramatiqInstrumentor, current_job
from jobspan.probes.run_cost import RunCost

app = Celery("switched-off", broker="memory://", backend="cache+memory://", set_as_current=False)
REQUEST = {"id": "1", "task": "switched-off", "hostname": "w1", "is_eager": False, "retries": 0}
RECORDED: list[tuple[Sampler | None, int]] = [(ALWAYS_OFF, 0), (ALWAYS_ON, 1), (None, 0)]
todo: list[Callable[[], object]] = []


@app.task(name="switched-off")  # type: ignore[untyped-decorator]  # Celery has no types
def work() -> None:
    """Do what is to be done."""
    while todo:
        todo.pop()()


trace_work = build_tracer("switched-off", work, app=app)


def switched_on(instrumentor: Any, sampler: Sampler | None) -> InMemorySpanExporter:
    """Instrument, and return where the spans go; without a sampler there is no SDK."""
    exporter = InMemorySpanExporter()
    if sampler is None:
        instrumentor.instrument(tracer_provider=NoOpTracerProvider(), state_dir="off")
        return exporter
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider, state_dir="off")
    return exporter


def recorded(exporter: InMemorySpanExporter) -> list[tuple[str, Any, Any]]:
    """Return each run's name, its outcome, and whether it was final."""
    found = [(span.name, dict(span.attributes or {})) for span in exporter.get_finished_spans()]
    runs = [(name, said) for name, said in found if name.startswith("run ")]
    return [(name, said["jobspan.job.outcome"], said["jobspan.job.final"]) for name, said in runs]


@pytest.mark.parametrize(("sampler", "runs"), RECORDED, ids=["unsampled", "sampled", "no SDK"])
def test_of_celery(sampler: Sampler | None, runs: int) -> None:
    heard = list(signals.task_prerun.receivers or ()), list(signals.task_postrun.receivers or ())
    exporter = switched_on(CeleryInstrumentor(), sampler)
    before = get_current()
    todo.append(CeleryInstrumentor().uninstrument)
    trace_work("1", (), {}, REQUEST)
    gc.collect()
    assert (get_current(), current_job()) == (before, None)
    assert (list(signals.task_prerun.receivers or ()), list(signals.task_postrun.receivers or ())) == heard
    trace_work("2", (), {}, REQUEST | {"id": "2"})
    assert recorded(exporter) == [("run switched-off", "succeeded", True)] * runs


def test_of_celery_beside_others_and_switched_on_again() -> None:
    """One that begins when all is off is recorded by none, and one after it is switched on again once."""
    heard = list(signals.task_postrun.receivers or ())
    exporter = switched_on(CeleryInstrumentor(), ALWAYS_ON)
    goes_on, is_off = threading.Event(), threading.Event()

    def long() -> None:
        todo[:] = [partial(goes_on.wait, 20), is_off.set]
        trace_work("long", (), {}, REQUEST | {"id": "long"})

    thread = threading.Thread(target=long)
    thread.start()
    assert is_off.wait(20)
    CeleryInstrumentor().uninstrument()
    trace_work("untold", (), {}, REQUEST | {"id": "untold"})
    assert recorded(exporter) == []
    again = switched_on(CeleryInstrumentor(), ALWAYS_ON)
    try:
        trace_work("again", (), {}, REQUEST | {"id": "again"})
        goes_on.set()
        thread.join(20)
    finally:
        CeleryInstrumentor().uninstrument()
    assert recorded(exporter) == recorded(again) == [("run switched-off", "succeeded", True)]
    assert list(signals.task_postrun.receivers or ()) == heard


@pytest.mark.parametrize(("sampler", "runs"), RECORDED, ids=["unsampled", "sampled", "no SDK"])
@pytest.mark.parametrize("way", ["succeeded", "failed", "retried"])
def test_of_dramatiq(way: str, sampler: Sampler | None, runs: int) -> None:
    exporter = switched_on(DramatiqInstrumentor(), sampler)
    broker, contexts, jobs = StubBroker(), list[Context](), list[bool]()
    todo[:] = [DramatiqInstrumentor().uninstrument]

    def work() -> None:
        contexts.append(get_current())
        jobs.append(current_job() is not None)
        if todo:
            todo.pop()()
            if way != "succeeded":
                raise ValueError(way)

    actor = dramatiq.actor(actor_name="work", broker=broker, max_retries=int(way == "retried"), min_backoff=1)(work)
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        for _ in range(2):
            actor.send()
            broker.join(actor.queue_name, fail_fast=False)
            worker.join()
    finally:
        worker.stop()
    later = [False] * (1 + (way == "retried"))
    assert [bool(context) for context in contexts[1:]] == later
    assert jobs == [True, *later]
    assert not [each for each in broker.middleware if type(each).__module__.startswith("jobspan")]
    assert "enqueue" not in vars(broker)
    assert recorded(exporter) == [("run work", way, way != "retried")] * runs


def test_of_dramatiq_while_another_library_runs_a_job() -> None:
    """Its end is not waited for."""
    switched_on(DramatiqInstrumentor(), ALWAYS_ON)
    other, broker = RunCost(), StubBroker()
    other.begin()
    actor = dramatiq.actor(actor_name="work", broker=broker)(DramatiqInstrumentor().uninstrument)
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        actor.send()
        broker.join(actor.queue_name)
        worker.join()
    finally:
        worker.stop()
        other.end()
    assert not [each for each in broker.middleware if type(each).__module__.startswith("jobspan")]
