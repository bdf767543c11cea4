"""What a collector received, as plain frozen values: read from protobuf here, independently of the product's reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jobspan.runs import Attributes, Link, Span, SpanEvent

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_TEMPORALITIES = ("unspecified", "delta", "cumulative")


@dataclass(frozen=True, slots=True)
class Origin:
    """Who emitted it: resource and instrumentation scope with their schema URLs."""

    resource: Attributes
    resource_schema_url: str
    scope: str
    scope_version: str
    schema_url: str


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span with all that surrounds it on the wire."""

    span: Span
    origin: Origin
    trace_state: str
    flags: int
    dropped: int


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log record; ``event`` is its event name."""

    event: str
    body: Any
    severity: int
    severity_text: str
    time_ns: int
    trace_id: str
    span_id: str
    attributes: Attributes
    origin: Origin


@dataclass(frozen=True, slots=True)
class Histogram:
    """The value of a histogram's data point."""

    count: int
    sum: float
    bounds: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One data point with its metric's description. ``type``: gauge, sum, histogram, exponential_histogram."""

    name: str
    type: str
    unit: str
    description: str
    attributes: Attributes
    value: float | Histogram
    start_ns: int
    time_ns: int
    monotonic: bool | None = None
    temporality: str | None = None
    exemplars: tuple[tuple[str, str], ...] = ()
    origin: Origin = field(default=Origin({}, "", "", "", ""), compare=False)


def spans_of(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    """Read the spans of an export request."""
    for per_resource in request.resource_spans:
        for per_scope in per_resource.scope_spans:
            origin = _origin(per_resource, per_scope)
            for span in per_scope.spans:
                yield _received_span(span, origin)


def logs_of(request: ExportLogsServiceRequest) -> Iterator[LogRecord]:
    """Read the log records of an export request."""
    for per_resource in request.resource_logs:
        for per_scope in per_resource.scope_logs:
            origin = _origin(per_resource, per_scope)
            for record in per_scope.log_records:
                yield LogRecord(
                    event=record.event_name,
                    body=_value(record.body),
                    severity=record.severity_number,
                    severity_text=record.severity_text,
                    time_ns=record.time_unix_nano or record.observed_time_unix_nano,
                    trace_id=record.trace_id.hex(),
                    span_id=record.span_id.hex(),
                    attributes=_attributes(record.attributes),
                    origin=origin,
                )


def points_of(request: ExportMetricsServiceRequest) -> Iterator[Point]:
    """Read the data points of an export request."""
    for per_resource in request.resource_metrics:
        for per_scope in per_resource.scope_metrics:
            origin = _origin(per_resource, per_scope)
            for metric in per_scope.metrics:
                yield from _points(metric, origin)


def _origin(per_resource: Any, per_scope: Any) -> Origin:
    return Origin(
        resource=_attributes(per_resource.resource.attributes),
        resource_schema_url=per_resource.schema_url,
        scope=per_scope.scope.name,
        scope_version=per_scope.scope.version,
        schema_url=per_scope.schema_url,
    )


def _received_span(span: Any, origin: Origin) -> ReceivedSpan:
    return ReceivedSpan(
        span=Span(
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex() or None,
            name=span.name,
            kind=_KINDS[span.kind],
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            status=_STATUSES[span.status.code],
            status_message=span.status.message,
            attributes=_attributes(span.attributes),
            links=tuple(
                Link(link.trace_id.hex(), link.span_id.hex(), _attributes(link.attributes)) for link in span.links
            ),
            events=tuple(
                SpanEvent(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events
            ),
            resource=origin.resource,
            scope=origin.scope,
        ),
        origin=origin,
        trace_state=span.trace_state,
        flags=span.flags,
        dropped=span.dropped_attributes_count + span.dropped_events_count + span.dropped_links_count,
    )


def _points(metric: Any, origin: Origin) -> Iterator[Point]:
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    for point in data.data_points:
        yield Point(
            name=metric.name,
            type=kind,
            unit=metric.unit,
            description=metric.description,
            attributes=_attributes(point.attributes),
            value=_point_value(kind, point),
            start_ns=point.start_time_unix_nano,
            time_ns=point.time_unix_nano,
            monotonic=data.is_monotonic if kind == "sum" else None,
            temporality=_TEMPORALITIES[data.aggregation_temporality] if kind != "gauge" else None,
            exemplars=tuple((exemplar.trace_id.hex(), exemplar.span_id.hex()) for exemplar in point.exemplars),
            origin=origin,
        )


def _point_value(kind: str, point: Any) -> float | Histogram:
    if kind == "histogram":
        return Histogram(point.count, point.sum, tuple(point.explicit_bounds), tuple(point.bucket_counts))
    if kind == "exponential_histogram":
        return Histogram(point.count, point.sum, (), tuple(point.positive.bucket_counts))
    value: float = getattr(point, point.WhichOneof("value"))
    return value


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
