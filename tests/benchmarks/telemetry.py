"""The SDK as everybody here uses it: a batch processor, and an exporter that counts and throws away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from benchmarks.libraries import NOOP


class Discarding(SpanExporter):
    """Counts the spans of the jobs that do nothing; keeps them only while asked to."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[ReadableSpan] | None = None
        self._provider: Any = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Count."""
        found = [span for span in spans if _is_of_a_noop(span)]
        self.count += len(found)
        if self.kept is not None:
            self.kept += found
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Hold nothing."""
        return True

    def flush(self) -> None:
        """Have everything exported."""
        self._provider.force_flush()

    def set_up(self, *, is_sampled: bool) -> None:
        """Make it the process's exporter."""
        self._provider = TracerProvider(sampler=ALWAYS_ON if is_sampled else ALWAYS_OFF)
        self._provider.add_span_processor(BatchSpanProcessor(self))
        trace.set_tracer_provider(self._provider)


def collected_in_memory() -> InMemoryMetricReader:
    """Return the reader of the process's meter provider, which is asked by nobody while jobs are measured."""
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return reader


def _is_of_a_noop(span: ReadableSpan) -> bool:
    # The Dramatiq peer names no actor in its run spans' names.
    return span.name.endswith(NOOP) or (span.attributes or {}).get("actor_name") == NOOP
