"""What stands behind a provider is found in every release of the SDK, or a dead collector holds up the end."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, InMemoryLogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobspan.recording.sdk.pipeline import exporters_of


def traces() -> tuple[Any, Any]:
    """A provider of traces, and its exporter."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider, exporter


def logs() -> tuple[Any, Any]:
    """A provider of logs, and its exporter."""
    provider, exporter = LoggerProvider(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # no types
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    return provider, exporter


def metrics() -> tuple[Any, Any]:
    """A provider of metrics, and its exporter."""
    exporter = ConsoleMetricExporter()
    return MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=1e6)]), exporter


@pytest.mark.parametrize("made", [traces, logs, metrics])
def test_the_exporter_of_each_signal_is_found(made: Any) -> None:
    provider, exporter = made()
    try:
        assert list(exporters_of(provider)) == [exporter]
    finally:
        provider.shutdown()
