"""What cannot be read is refused with the reason, and nothing else is lost."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from backends.otlp_requests import NOON, log_event, logs, run_attributes, span_message, traces
from backends.otlp_server import Server
from jobspan.backends.base import RunFilter
from jobspan.backends.store.file import EmbeddedBackend

_GARBAGE = b"\x0anot protobuf"
_IMPOSSIBLE: dict[str, Callable[[], SpanMessage]] = {
    "span id 6162 is not 8 bytes, not all zero": lambda: span_message(span_id=b"ab"),
    "span id 0000000000000000 is not 8 bytes, not all zero": lambda: span_message(span_id=bytes(8)),
    "span id (empty) is not 8 bytes, not all zero": lambda: span_message(span_id=b""),
    "trace id 6162 is not 16 bytes, not all zero": lambda: span_message(trace_id=b"ab"),
    f"trace id {'0' * 32} is not 16 bytes, not all zero": lambda: span_message(trace_id=bytes(16)),
    "parent id 6162 of span 6162636465666768 is not 8 bytes": lambda: span_message(
        span_id=b"abcdefgh", parent_span_id=b"ab"
    ),
    f"span 6162636465666768 starts at {NOON} and ends at 5 ns": lambda: span_message(
        span_id=b"abcdefgh", end_time_unix_nano=5
    ),
    f"span 6162636465666768 starts at {NOON} and ends at {2**63} ns": lambda: span_message(
        span_id=b"abcdefgh", end_time_unix_nano=2**63
    ),
}


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_a_malformed_body_is_answered_400_with_the_reason(shared_server: Server, path: str) -> None:
    answer = shared_server.post(_GARBAGE, path)
    said = Status.FromString(answer.content)
    assert (answer.status_code, answer.headers["content-type"], said.code) == (400, "application/x-protobuf", 3)
    assert said.message.startswith("the body is no protobuf Export")


def test_malformed_json_is_answered_400_in_json(shared_server: Server) -> None:
    for body in (
        b"{",
        b"[1]",
        b"[]",
        b"null",
        b'{"resourceSpans": 5}',
        b'{"resourceSpans": ["\\ud800"]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"\\ud800"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":"\\ud800"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":7}]}]}]}',
    ):
        answer = shared_server.post(body, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, 3), body
        assert answer.json()["message"].startswith("the body is no JSON ExportTraceServiceRequest")


def test_a_malformed_grpc_request_is_an_invalid_argument(shared_server: Server) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        shared_server.call(_GARBAGE)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details().startswith("the body is no protobuf ExportTraceServiceRequest")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_compressed_as_it_says_is_refused(shared_server: Server, encoding: str) -> None:
    answer = shared_server.post(traces(span_message()).SerializeToString(), content_encoding=encoding)
    assert answer.status_code == 400
    assert f"not compressed with {encoding} as it says" in Status.FromString(answer.content).message


def test_a_gzip_stream_cut_short_is_refused(shared_server: Server) -> None:
    cut = gzip.compress(traces(span_message()).SerializeToString())[:-9]
    answer = shared_server.post(cut, content_encoding="gzip")
    assert answer.status_code == 400
    assert "ends in the middle" in Status.FromString(answer.content).message


def test_unknown_types_and_encodings_are_refused(shared_server: Server) -> None:
    body = traces(span_message()).SerializeToString()
    assert shared_server.post(body, content_encoding="br").status_code == 415
    assert shared_server.post(body, content_type="text/plain").status_code == 415


def test_a_gzip_bomb_is_refused_and_harmless(server: Server) -> None:
    answer = server.post(gzip.compress(bytes(1 << 29), 9), content_encoding="gzip")
    assert answer.status_code == 413
    assert Status.FromString(answer.content).message == "the body has more than 67108864 bytes; send smaller batches"
    peak_kb = int(Path(f"/proc/{server.program.pid}/status").read_text().split("VmHWM:")[1].split()[0])
    assert peak_kb < 500_000
    assert server.post(traces(span_message())).status_code == 200


def test_a_gzip_bomb_over_grpc_is_refused(shared_server: Server) -> None:
    with grpc.insecure_channel(shared_server.grpc, compression=grpc.Compression.Gzip) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            export(bytes((64 << 20) + 1), timeout=30)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("reason", _IMPOSSIBLE)
def test_an_impossible_span_is_named_and_the_others_are_kept(shared_server: Server, reason: str) -> None:
    before = shared_server.stats()
    request = traces(span_message(), _IMPOSSIBLE[reason](), span_message())
    answer = ExportTraceServiceResponse.FromString(shared_server.post(request).content)
    after = shared_server.stats()
    assert (answer.partial_success.rejected_spans, answer.partial_success.error_message) == (1, reason)
    assert (after["spans"] - before["spans"], after["rejected"] - before["rejected"]) == (2, 1)


def test_over_grpc_too_an_impossible_span_loses_no_other(shared_server: Server) -> None:
    before = shared_server.stats()["spans"]
    answer = ExportTraceServiceResponse.FromString(
        shared_server.call(traces(span_message(span_id=b""), span_message()))
    )
    assert answer.partial_success.rejected_spans == 1
    assert shared_server.stats()["spans"] - before == 1


def test_a_started_event_of_no_framework_is_named(shared_server: Server) -> None:
    record = log_event("jobspan.job.started", span_message(span_id=b"abcdefgh"), {})
    answer = ExportLogsServiceResponse.FromString(shared_server.post(logs(record)).content)
    assert answer.partial_success.rejected_log_records == 1
    assert answer.partial_success.error_message == (
        "jobspan.job.started of span 6162636465666768 has no jobspan.framework"
    )


@pytest.mark.parametrize("name", ["exception", "jobspan.job.started"])
def test_a_log_event_of_an_impossible_time_is_named_and_the_next_is_kept(shared_server: Server, name: str) -> None:
    span = span_message(span_id=b"abcdefgh")
    records = [log_event(name, span, run_attributes(), at_ns) for at_ns in (2**64 - 1, NOON)]
    answer = ExportLogsServiceResponse.FromString(shared_server.post(logs(*records)).content)
    assert (answer.partial_success.rejected_log_records, answer.partial_success.error_message) == (
        1,
        f"a log record of span 6162636465666768 is of {2**64 - 1} ns, past the year 2262",
    )


def test_what_was_sent_around_malformed_requests_is_kept(server: Server) -> None:
    for number in range(5):
        assert server.post(traces(span_message(run_attributes(job_id=f"j-{number}")))).status_code == 200
        assert server.post(_GARBAGE).status_code == 400
    assert server.stats()["malformed"] == 5
    server.stop()
    file = EmbeddedBackend(server.store)
    assert {run.job_id for run in file.runs(RunFilter())} == {f"j-{number}" for number in range(5)}
    file.close()


def test_the_reason_is_readable_json_where_json_was_sent(shared_server: Server) -> None:
    answer = shared_server.post(b"{}", content_type="application/json", content_encoding="zip")
    assert json.loads(answer.content) == {
        "code": 3,
        "message": "content encoding zip; expected identity, gzip, deflate",
    }
