"""A meter provider that exports as the environment says, for a process that has none of its own."""

from __future__ import annotations

import os
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.metrics import MeterProvider, get_meter_provider

from jobspan.errors import MissingExtra, UsageError

_SERVICE = "jobspan-monitor"


def exporting_provider(every_s: float) -> MeterProvider:
    """Return the global provider where an SDK is set up, else one that exports every ``every_s`` seconds.

    ``OTEL_METRICS_EXPORTER`` (``otlp``, ``console``), ``OTEL_EXPORTER_OTLP_*`` and the resource's variables hold.

    Raises:
        MissingExtra: the SDK or the exporter is not installed.
        UsageError: no exporter of that name.
    """
    try:
        from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    except ImportError as error:
        raise MissingExtra("jobspan monitor", "monitor", error) from error
    current = get_meter_provider()
    if isinstance(current, SdkMeterProvider):
        return current
    environ = os.environ
    is_named = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create(None if is_named else {SERVICE_NAME: _SERVICE})
    reader = PeriodicExportingMetricReader(_exporter(), export_interval_millis=every_s * 1000)
    return SdkMeterProvider([reader], resource=resource)


def _exporter() -> Any:
    chosen = os.environ.get("OTEL_METRICS_EXPORTER", "").strip() or "otlp"
    name = _otlp() if chosen == "otlp" else chosen
    found = next(iter(entry_points(group="opentelemetry_metrics_exporter", name=name)), None)
    if found is None:
        raise UsageError(f"OTEL_METRICS_EXPORTER={chosen}: no such exporter is installed; expected otlp or console")
    try:
        return found.load()()
    except ImportError as error:
        raise MissingExtra("jobspan monitor", "monitor", error) from error


def _otlp() -> str:
    environ = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    return "otlp_proto_http" if (environ or "grpc").startswith("http") else "otlp_proto_grpc"
