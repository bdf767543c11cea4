"""A soft time limit that lands in one of our hooks costs no span of what has happened, and leaves no context behind."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from celery.app.trace import build_tracer
from opentelemetry.context import attach, get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from jobspan import CeleryInstrumentor
from jobspan import conventions as c
from jobspan.instrumentors.celery.mapping import RECEIVED
from jobspan.probes import run_cost
from support.soft_limits import interrupt_at

app = Celery("soft-runs", broker="memory://", backend="cache+memory://", set_as_current=False)
PUBLISHED_MS = 1_700_000_000_000
REQUEST = {
    "id": "1",
    "task": "work",
    "hostname": "w1",
    "is_eager": False,
    "retries": 0,
    "delivery_info": {"routing_key": "work"},
    c.FIELD: f"1;t={PUBLISHED_MS};d=1;s={PUBLISHED_MS}",
    RECEIVED: (PUBLISHED_MS + 250) * 1_000_000,
}


@app.task(name="work", shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
def work() -> None:
    """Do nothing."""


trace_work = build_tracer("work", work, app=app)


@pytest.fixture(autouse=True)
def in_the_shipped_mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the guard swallow what it swallows in production."""
    monkeypatch.setattr("jobspan.instrumentors.guard.raises", False)
    gc.freeze()  # what is there already is not looked through each time
    yield
    gc.unfreeze()
    sys.settrace(None)


@pytest.mark.parametrize(("sampler", "spans"), [(ALWAYS_OFF, 0), (ALWAYS_ON, 1)], ids=["unsampled", "sampled"])
def test_wherever_it_lands_the_run_is_recorded_once(sampler: Sampler, spans: int) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = CeleryInstrumentor()
    instrumentor.instrument(tracer_provider=provider, state_dir="off")
    broken: set[str] = set()
    try:
        trace_work("1", (), {}, REQUEST)
        before, number = get_current(), 0
        while True:
            number += 1
            exporter.clear()
            seen = interrupt_at(number)
            trace_work("1", (), {}, REQUEST)
            sys.settrace(None)
            if not seen:
                break
            gc.collect()
            found = [(span.attributes or {})[c.JOBSPAN_JOB_WAIT_QUEUED] for span in exporter.get_finished_spans()]
            if get_current() != before or run_cost._open or found != [0.25] * spans:
                broken.update(seen)
            attach(before)
            run_cost._open.clear()
    finally:
        instrumentor.uninstrument()
    assert number > 50
    # Before our hook has begun it lands in Celery's own signal.
    assert {line.split(":")[0] for line in broken} <= {"call"}
    assert len(broken) <= 1


def test_a_publish_that_has_left_is_recorded_wherever_it_lands() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = CeleryInstrumentor()
    instrumentor.instrument(tracer_provider=provider, state_dir="off")
    try:
        app.send_task("warm-up")
        number, seen = 0, [""]
        while seen:
            number += 1
            exporter.clear()
            seen = interrupt_at(number, "/recording/spans/publish_spans.py", frozenset({"finished", "_end"}))
            with contextlib.suppress(SoftTimeLimitExceeded):
                app.send_task("work")
            sys.settrace(None)
            assert [span.name for span in exporter.get_finished_spans()] == ["publish work"], seen
    finally:
        instrumentor.uninstrument()
    assert number > 5
