"""The providers of this process, and the exporters behind the SDK's own processors and readers.

Those of other libraries are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry.metrics import get_meter_provider
from opentelemetry.trace import get_tracer_provider


def providers() -> Iterator[Any]:
    """Yield the global providers that can export."""
    from opentelemetry._logs import get_logger_provider

    for provider in (get_tracer_provider(), get_logger_provider(), get_meter_provider()):
        if hasattr(provider, "force_flush"):
            yield provider


def leads_somewhere(provider: Any) -> bool:
    """Say whether an exporter takes the spans of a tracer provider out of this process: a test's memory does not.

    An SDK that keeps its processors elsewhere may.
    """
    pipeline = getattr(provider, "_active_span_processor", None)
    processors = getattr(pipeline, "_span_processors", None)
    if processors is None:
        return hasattr(provider, "force_flush")
    return any(type(_exporter_of(each)).__name__ != "InMemorySpanExporter" for each in processors)


def exporters_of(provider: Any) -> Iterator[Any]:
    """Yield the exporters of a provider of any signal."""
    for holder in (*processors_of(provider), *readers_of(provider)):
        exporter = _exporter_of(holder)
        if exporter is not None:
            yield exporter


def processors_of(provider: Any) -> tuple[Any, ...]:
    """Return the processors of a provider of spans or logs; none of another provider."""
    pipeline = getattr(provider, "_active_span_processor", None) or getattr(
        provider, "_multi_log_record_processor", None
    )
    found = getattr(pipeline, "_span_processors", None) or getattr(pipeline, "_log_record_processors", None)
    return tuple(found or ())


def readers_of(provider: Any) -> tuple[Any, ...]:
    """Return the readers of a meter provider; none of another provider."""
    # Their place before version 1.45 was the configuration.
    before = getattr(getattr(provider, "_sdk_config", None), "metric_readers", ())
    return tuple(getattr(provider, "_metric_readers", before))


def _exporter_of(holder: Any) -> Any:
    batch = getattr(holder, "_batch_processor", holder)
    for name in ("span_exporter", "_exporter"):
        exporter = getattr(batch, name, None) or getattr(holder, name, None)
        if exporter is not None:
            return exporter
    return None
