"""200,000 publishes from one command: time a publish, memory of the producer, and the largest trace.

As a program, one contender: ``python -m benchmarks.fan_out LIBRARY NAME`` answers each line ``10000`` with JSON, after
it has put so many jobs, and a line ``end`` with what left.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import psutil
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from benchmarks.children import children
from benchmarks.contenders import BARE, JOBSPAN_NO_RECORD
from benchmarks.figures import Figure, figure
from benchmarks.libraries import LIBRARIES, NOOP

_JOBS, _AT_ONCE = 200_000, 10_000
_MICRO, _MEGA = 1e6, 1e6
_COMPARED = (BARE, JOBSPAN_NO_RECORD)
Put = tuple[Callable[[], Any], Callable[[], Any]]


def measure() -> list[Figure]:
    """Measure both libraries."""
    return [found for library in LIBRARIES for found in _of(library)]


def _of(library: str) -> list[Figure]:
    group, steps = f"fan-out, {library}", _JOBS // _AT_ONCE
    with children("benchmarks.fan_out", [(library, name) for name in _COMPARED]) as started:
        bare, ours = (started[library, name] for name in _COMPARED)
        said = [(bare.ask(str(_AT_ONCE)), ours.ask(str(_AT_ONCE))) for _ in range(steps)]
        left = ours.ask("end")
    added = [(mine["put_s"] - plain["put_s"]) / _AT_ONCE * _MICRO for plain, mine in said]
    # What is made once, and the SDK's queue, is there after the first quarter.
    after = said[steps // 4 :]
    pairs = zip(after[0], after[-1], strict=True)
    grown = [(last["resident_bytes"] - first["resident_bytes"]) / _MEGA for first, last in pairs]
    return [
        figure(group, "added to a publish", "µs", added),
        figure(group, "resident memory of the producer grows by, bare", "MB", grown[:1]),
        figure(group, "resident memory of the producer grows by", "MB", grown[1:]),
        figure(group, "largest trace", "spans", [left["spans"]]),
        figure(group, "largest trace, as OTLP", "kB", [left["bytes"] / 1e3]),
    ]


def main(library: str, name: str) -> None:
    """Put jobs in one command as each line of the input says."""
    import jobspan

    traces = _Traces()
    if name != BARE:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(traces))
        trace.set_tracer_provider(provider)
        jobspan.CommandInstrumentor().instrument(state_dir="off")
        (jobspan.CeleryInstrumentor if library == "celery" else jobspan.DramatiqInstrumentor)().instrument(
            state_dir="off"
        )
    put, purge = {"celery": _celery, "dramatiq": _dramatiq}[library]()
    _say({})
    with jobspan.command("fan-out"):
        for line in sys.stdin:
            if line.strip() == "end":
                break
            _say(_put(int(line), put, purge))
    if name != BARE:
        provider.force_flush()
    largest, spans = max(traces.spans.items(), key=lambda item: item[1], default=(0, 0))
    _say({"spans": spans, "bytes": traces.bytes[largest]})


def _put(number: int, put: Callable[[], Any], purge: Callable[[], Any]) -> dict[str, Any]:
    spent = 0.0
    for _ in range(number // 1000):
        began = time.process_time()
        for _ in range(1000):
            put()
        spent += time.process_time() - began
        purge()
    return {"put_s": spent, "resident_bytes": psutil.Process().memory_info().rss}


def _celery() -> Put:
    from celery import Celery

    app = Celery("bench", broker="memory://")
    app.conf.task_ignore_result = True
    task = app.task(name=NOOP)(_noop)
    return task.delay, app.control.purge


def _dramatiq() -> Put:
    import dramatiq
    from dramatiq.brokers.stub import StubBroker

    broker = StubBroker()
    dramatiq.set_broker(broker)
    actor = dramatiq.actor(actor_name=NOOP)(_noop)
    return actor.send, lambda: broker.flush("default")


def _noop() -> None:
    pass


class _Traces(SpanExporter):
    """Counts the spans and their bytes by trace, and throws them away."""

    def __init__(self) -> None:
        self.spans: Counter[int] = Counter()
        self.bytes: Counter[int] = Counter()

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        for span in spans:
            trace_id = span.context.trace_id
            self.spans[trace_id] += 1
            self.bytes[trace_id] += encode_spans([span]).ByteSize()
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Hold nothing."""
        return True


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
