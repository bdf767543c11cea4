"""Where the monitor exports to is what OpenTelemetry's variables say."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider

from jobspan.errors import UsageError
from jobspan.health.exporting import exporting_provider


@pytest.mark.parametrize(("exporter", "protocol"), [("console", ""), ("otlp", "grpc"), ("", "http/protobuf")])
def test_an_exporter_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch, exporter: str, protocol: str) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", exporter)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    provider = exporting_provider(60)
    assert isinstance(provider, MeterProvider)
    provider.shutdown(timeout_millis=1)


def test_an_exporter_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "carrier_pigeon")
    with pytest.raises(UsageError, match="OTEL_METRICS_EXPORTER=carrier_pigeon: no such exporter is installed"):
        exporting_provider(60)
