"""The answer to a sender: an OTLP response with its partial success, or a ``google.rpc.Status``."""

from __future__ import annotations

import json

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from jobspan.server.storage.batch import Batch

INVALID_ARGUMENT = 3
RESOURCE_EXHAUSTED = 8
UNAVAILABLE = 14

_ONE_BYTE = 0x80


def response(signal: str, batch: Batch) -> Message:
    """Return the response to a request that was taken."""
    if signal == "metrics":
        return ExportMetricsServiceResponse()
    if signal == "logs":
        logs = ExportLogsServiceResponse()
        if batch.rejected:
            logs.partial_success.rejected_log_records = batch.rejected
            logs.partial_success.error_message = batch.reason
        return logs
    traces = ExportTraceServiceResponse()
    if batch.rejected:
        traces.partial_success.rejected_spans = batch.rejected
        traces.partial_success.error_message = batch.reason
    return traces


def response_json(signal: str, batch: Batch) -> bytes:
    """Return the response as OTLP's JSON."""
    return json.dumps(MessageToDict(response(signal, batch))).encode()


def status(code: int, message: str) -> bytes:
    """Return a ``google.rpc.Status``: field 1 its code, field 2 its message. Its package is not one of ours."""
    text = message.encode()
    return bytes([0x08, code, 0x12]) + _varint(len(text)) + text


def status_json(code: int, message: str) -> bytes:
    """Return a ``google.rpc.Status`` as JSON."""
    return json.dumps({"code": code, "message": message}).encode()


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= _ONE_BYTE:
        encoded.append(number % _ONE_BYTE | _ONE_BYTE)
        number //= _ONE_BYTE
    return bytes([*encoded, number])
