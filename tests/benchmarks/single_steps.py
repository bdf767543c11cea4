"""Steps of a job's way, each on its own: what the flight record, the probes and the message cost it."""

from __future__ import annotations

import random
import tempfile
import time
import timeit
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, set_span_in_context

from benchmarks.figures import Figure, figure
from benchmarks.telemetry import Discarding
from jobspan import conventions as c
from jobspan.jobs import Broker, Framework, Job
from jobspan.probes.memory import resident_bytes
from jobspan.recording.attributes import job_attributes
from jobspan.recording.context import message_field, propagation
from jobspan.recording.context.message_field import MessageField
from jobspan.recording.journal.flight_log import FlightLog

_GROUP = "single steps"
_ROUNDS, _CALLS = 9, 5000
_JOB = Job(Framework.CELERY, "celery", "noop", "5be238a4-40aa-46cf-aed4-f5e9827d3b33", workflow_id="5be238a4")


def measure() -> list[Figure]:
    """Measure each step, in turn, and how long the timing itself takes."""
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        steps = _flight_steps(Path(folder)) | _probe_steps() | _message_steps()
        names = list(steps)
        for _ in range(_ROUNDS):
            random.shuffle(names)
            for name in names:
                found[name].append(timeit.timeit(steps[name], number=_CALLS) / _CALLS * 1e6)
    return [figure(_GROUP, name, "µs", found[name]) for name in steps]


def _flight_steps(folder: Path) -> dict[str, Callable[[], Any]]:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Discarding()))
    log = FlightLog()
    log.configure(str(folder), provider)
    span = _run_span(provider)
    more = {c.PROCESS_PID: 4711, c.THREAD_NAME: "MainThread", c.THREAD_ID: 140000000000}
    open_log = FlightLog()
    open_log.configure(str(folder), provider)
    open_log.record_open(span, more, is_safe=False)
    span_id = span.get_span_context().span_id

    def opened() -> None:
        log.record_open(span, more, is_safe=False)
        log.clear(span)

    def finished() -> None:
        log.record_finished(span, 1)
        log._pending._exported([span_id])

    opened()
    return {
        "open record, written and freed": opened,
        "finished record, written and freed": finished,
        "note on an open record": lambda: open_log.heartbeat(1_700_000_000_000_000_000, 84_000_000),
    }


def _run_span(provider: TracerProvider) -> Any:
    tracer = provider.get_tracer(c.SCOPE)
    attributes = job_attributes.of_publish(_JOB, Broker("redis", "localhost", 6379), None)
    parent = set_span_in_context(tracer.start_span("publish noop"))
    return tracer.start_span("run noop", context=parent, kind=SpanKind.CONSUMER, attributes=attributes)


def _probe_steps() -> dict[str, Callable[[], Any]]:
    return {
        "resident bytes, once": resident_bytes,
        "CPU clock of the thread, once": time.thread_time,
        "CPU clock of the process, once": time.process_time,
    }


def _message_steps() -> dict[str, Callable[[], Any]]:
    inside = set_span_in_context(_run_span(TracerProvider()), Context())
    field = MessageField(published_ms=1_700_000_000_000, depth=1, trace_started_ms=1_700_000_000_000)
    message: dict[str, Any] = {}

    def write() -> None:
        propagation.write(message, inside, message_field.encode(field))

    write()
    nothing = Context()
    return {
        "context written on a message": write,
        "context read off a message": lambda: propagation.read(message, nothing),
    }
