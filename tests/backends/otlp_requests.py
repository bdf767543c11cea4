"""OTLP requests made by hand, from small descriptions of spans and log events."""

from __future__ import annotations

import random
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from jobspan.runs import Span
from support.otlp_values import spans_of

NOON = 1_800_000_000 * 10**9
"""A moment, Unix nanoseconds."""

SECOND = 10**9
WORKER = {"service.name": "shop", "process.pid": 7}
ERROR = Status(code=Status.STATUS_CODE_ERROR, message="card declined")
_ids = random.Random(7)


def run_attributes(name: str = "charge", job_id: str | None = "j-1", **more: Any) -> dict[str, Any]:
    """Return the attributes of a run span; ``more`` names them by the words of ``_NAMES``."""
    said: dict[str, Any] = {
        "framework": "celery",
        "operation": "run",
        "job_name": name,
        "job_id": job_id,
        "queue": "billing",
    }
    said |= {"outcome": "succeeded", "final": True, "attempt": 1, **more}
    return {_NAMES[key]: value for key, value in said.items() if value is not None}


_NAMES = {
    "framework": "jobspan.framework",
    "operation": "messaging.operation.name",
    "job_name": "jobspan.job.name",
    "job_id": "messaging.message.id",
    "queue": "messaging.destination.name",
    "outcome": "jobspan.job.outcome",
    "final": "jobspan.job.final",
    "attempt": "jobspan.job.attempt",
    "command_id": "jobspan.command.id",
    "command_name": "jobspan.command.name",
}


def span_message(attributes: Mapping[str, Any] | None = None, **fields: Any) -> SpanMessage:
    """Return a span with new ids that took a second at noon, except where ``fields`` say otherwise."""
    said = {
        "trace_id": _ids.randbytes(16),
        "span_id": _ids.randbytes(8),
        "name": "work",
        "kind": SpanMessage.SPAN_KIND_CONSUMER,
        "start_time_unix_nano": NOON,
        "end_time_unix_nano": NOON + SECOND,
    }
    return SpanMessage(**{**said, **fields}, attributes=pairs(attributes or {}))


def traces(*spans: SpanMessage, resource: Mapping[str, Any] = WORKER) -> ExportTraceServiceRequest:
    """Return a request with these spans of one scope."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(pairs(resource))
    scoped = group.scope_spans.add()
    scoped.scope.name = "jobspan"
    scoped.spans.extend(spans)
    return request


def logs(*records: LogRecord, resource: Mapping[str, Any] = WORKER) -> ExportLogsServiceRequest:
    """Return a request with these log records of one scope."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(pairs(resource))
    group.scope_logs.add().log_records.extend(records)
    return request


def log_event(name: str, of: SpanMessage, attributes: Mapping[str, Any], at_ns: int = NOON) -> LogRecord:
    """Return a log event filed under a span."""
    return LogRecord(
        event_name=name, trace_id=of.trace_id, span_id=of.span_id, time_unix_nano=at_ns, attributes=pairs(attributes)
    )


def metrics(points: int) -> ExportMetricsServiceRequest:
    """Return a request with a gauge of so many points."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="depth")
    for number in range(points):
        metric.gauge.data_points.add(as_int=number)
    return request


def spans_in(request: ExportTraceServiceRequest) -> list[Span]:
    """Return what a request says, read independently of the product, in the order in which a story tells it."""
    spans = [received.span for received in spans_of(request)]
    return sorted(spans, key=lambda span: (span.start_ns, -span.end_ns, span.span_id))


def pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Return attributes as OTLP has them."""
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def any_value(value: Any) -> AnyValue:
    """Return a value as OTLP has it."""
    said = AnyValue()
    if isinstance(value, bool):
        said.bool_value = value
    elif isinstance(value, int):
        said.int_value = value
    elif isinstance(value, float):
        said.double_value = value
    elif isinstance(value, str):
        said.string_value = value
    elif isinstance(value, bytes):
        said.bytes_value = value
    elif isinstance(value, Mapping):
        said.kvlist_value.SetInParent()
        said.kvlist_value.values.extend(pairs(value))
    elif isinstance(value, tuple):
        said.array_value.SetInParent()
        said.array_value.values.extend(any_value(item) for item in value)
    return said


def otlp_json(request: ExportTraceServiceRequest) -> dict[str, object]:
    """Return a request as OTLP's JSON: ids in hex, enums as numbers."""

    def with_hex_ids(said: Any) -> Any:
        if isinstance(said, list):
            return [with_hex_ids(item) for item in said]
        if not isinstance(said, dict):
            return said
        return {
            key: b64decode(value).hex() if key.lower().endswith(("spanid", "traceid")) else with_hex_ids(value)
            for key, value in said.items()
        }

    said: dict[str, object] = with_hex_ids(MessageToDict(request, use_integers_for_enums=True))
    return said
