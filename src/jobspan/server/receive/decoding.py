"""An OTLP request as rows of the store: what is ours to keep, what is dropped, what cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from jobspan import conventions as c
from jobspan.backends.values import attributes_to_text
from jobspan.errors import MalformedData
from jobspan.server.receive.drops import drop_points
from jobspan.server.receive.span_rows import LAST_NS, ImpossibleSpan, attributes_of, span_row, started_row, trace_key
from jobspan.server.storage.batch import Batch, DropPoint

REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
"""The request message of each signal."""

_EXCEPTIONS = (c.EVENT_PROCESS_EXCEPTION, c.EVENT_SEND_EXCEPTION, c.EXCEPTION_EVENT)
_STARTED = (c.EVENT_JOB_STARTED, c.EVENT_COMMAND_STARTED)
_LEGACY_EVENT_NAME = "event.name"


def parse(signal: str, body: bytes) -> Message:
    """Read the protobuf bytes of a request.

    Raises:
        MalformedData: they are none.
    """
    request = REQUESTS[signal]()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedData(f"the body is no protobuf {request.DESCRIPTOR.name}: {error}") from error
    return request


def decode(signal: str, request: Any) -> Batch:
    """Return the rows of a parsed request."""
    if signal == "traces":
        return _decode_traces(request)
    if signal == "logs":
        return _decode_logs(request)
    return Batch(dropped=sum(_points(request)), drops=list(_drops(request)))


def _decode_traces(request: ExportTraceServiceRequest) -> Batch:
    batch = Batch()
    for group in request.resource_spans:
        service, resource = _resource(group.resource)
        for scoped in group.scope_spans:
            sender = (service, scoped.scope.name, resource)
            for span in scoped.spans:
                try:
                    batch.spans.append(span_row(span, sender))
                except ImpossibleSpan as error:
                    batch.reject(str(error))
    return batch


def _decode_logs(request: ExportLogsServiceRequest) -> Batch:
    batch = Batch()
    for group in request.resource_logs:
        service, resource = _resource(group.resource)
        for scoped in group.scope_logs:
            sender = (service, scoped.scope.name, resource)
            for record in scoped.log_records:
                try:
                    _file(batch, record, sender)
                except ImpossibleSpan as error:
                    batch.reject(str(error))
    return batch


def _file(batch: Batch, record: Any, sender: tuple[Any, ...]) -> None:
    """Put one log record where it belongs."""
    name = record.event_name or _legacy_name(record)
    if name in _EXCEPTIONS and record.span_id:
        key = trace_key(record.trace_id, record.span_id)
        attributes = attributes_to_text(attributes_of(record.attributes))
        batch.exceptions.append((*key, name, _time(record), attributes))
    elif name in _STARTED:
        batch.started.append(started_row(record, name, _time(record), sender))
    else:
        batch.dropped += 1


def _legacy_name(record: Any) -> str:
    """Return the name of an event whose sender's API had no field for it yet."""
    for pair in record.attributes:
        if pair.key == _LEGACY_EVENT_NAME:
            return str(pair.value.string_value)
    return ""


def _time(record: Any) -> int:
    at_ns = int(record.time_unix_nano or record.observed_time_unix_nano)
    if at_ns > LAST_NS:
        raise ImpossibleSpan(f"a log record of span {record.span_id.hex()} is of {at_ns} ns, past the year 2262")
    return at_ns


def _resource(resource: Any) -> tuple[str | None, str | None]:
    attributes = attributes_of(resource.attributes)
    service = attributes.get("service.name")
    return (service if isinstance(service, str) else None), attributes_to_text(attributes)


def _drops(request: ExportMetricsServiceRequest) -> Iterable[DropPoint]:
    for group in request.resource_metrics:
        sender = group.resource.SerializeToString(deterministic=True).hex()
        for scoped in group.scope_metrics:
            for metric in scoped.metrics:
                yield from drop_points(metric, sender)


def _points(request: ExportMetricsServiceRequest) -> Iterable[int]:
    for group in request.resource_metrics:
        for scoped in group.scope_metrics:
            for metric in scoped.metrics:
                kind = metric.WhichOneof("data")
                yield len(getattr(metric, kind).data_points) if kind else 0
