"""What is sent over gRPC and HTTP, by the SDK and by hand, is kept whole, and the file tells the same as the server."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from backends.otlp_requests import (
    ERROR,
    log_event,
    logs,
    metrics,
    otlp_json,
    run_attributes,
    span_message,
    spans_in,
    traces,
)
from backends.otlp_server import Server
from jobspan.backends import open_backend
from jobspan.backends.base import Backend, Match, RunFilter
from jobspan.runs import Span, run_from_span

_ODD: dict[str, Any] = {
    "whole": 1,
    "real": 1.0,
    "truth": True,
    "text": "1 € ünï\x00code",
    "empty": "",
    "wholes": (1, 2),
    "reals": (1.0, 2.5),
    "truths": (True, False),
    "texts": ("a", ""),
    "none": (),
    "big": 2**63 - 1,
    "messaging.message.id": 5,
    "jobspan.job.final": "yes",
    "jobspan.job.cpu.time": 3,
}


def _work(exporter: SpanExporter) -> list[Span]:
    """Let the SDK make and export three spans; return what it says of them, read independently of the product."""
    tracer = TracerProvider(resource=Resource({"service.name": "shop", "n": 3})).get_tracer("jobspan")
    with tracer.start_as_current_span("publish a", kind=SpanKind.PRODUCER, attributes=_ODD) as publish:
        link = Link(publish.get_span_context(), {"jobspan.link.type": "publish"})
        attributes = run_attributes(outcome="failed")
        with tracer.start_as_current_span("run a", kind=SpanKind.CONSUMER, attributes=attributes, links=[link]) as run:
            run.record_exception(ValueError("card declined"))
            run.set_status(Status(StatusCode.ERROR, "card declined"))
            with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT) as database:
                pass
    seen = [span for span in (publish, run, database) if isinstance(span, ReadableSpan)]
    assert exporter.export(seen) is SpanExportResult.SUCCESS
    exporter.shutdown()
    return spans_in(encode_spans(seen))


def _exporters(server: Server) -> dict[str, Callable[[], SpanExporter]]:
    from grpc import Compression as GrpcCompression

    traces_url = f"{server.http}/v1/traces"
    return {
        "grpc": lambda: GrpcExporter(endpoint=server.grpc, insecure=True, compression=GrpcCompression.Gzip),
        "http": lambda: HttpExporter(endpoint=traces_url, compression=Compression.Gzip),
    }


def _story(backend: Backend, spans: Sequence[Span]) -> Sequence[Span]:
    return backend.story(Match("trace", spans[0].trace_id))


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_what_the_sdk_exports_is_told_by_the_server_and_later_by_the_file(server: Server, protocol: str) -> None:
    sent = _work(_exporters(server)[protocol]())
    failed = run_from_span(sent[1])
    remote = open_backend(server.store)
    asked = (_story(remote, sent), remote.runs(RunFilter()), remote.counts(RunFilter()), remote.find("j-"))
    remote.close()
    assert server.stop() == 0
    file = open_backend(server.store)
    read = (_story(file, sent), file.runs(RunFilter()), file.counts(RunFilter()), file.find("j-"))
    file.close()
    assert (type(remote).__name__, type(file).__name__) == ("RemoteBackend", "EmbeddedBackend")
    assert asked[0] == sent
    assert asked[1] == [failed]
    assert asked == read


@pytest.mark.parametrize(
    ("encoding", "compress"), [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_each_content_encoding_is_understood(
    shared_server: Server, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    request = traces(span_message())
    answer = shared_server.post(compress(request.SerializeToString()), content_encoding=encoding)
    assert (answer.status_code, answer.content) == (200, b"")
    assert _told(shared_server, request) == spans_in(request)


def test_json_is_understood(shared_server: Server) -> None:
    span = span_message(run_attributes() | {"list": (1, 2.0, "x")}, status=ERROR, parent_span_id=b"parentid")
    request = traces(span)
    answer = shared_server.post(json.dumps(otlp_json(request)).encode(), content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {})
    assert _told(shared_server, request) == spans_in(request)


def test_all_signals_are_answered_with_success_and_the_rest_is_counted(server: Server) -> None:
    span = span_message()
    other = log_event("my.event", span, {})
    for path, request in (("/v1/metrics", metrics(3)), ("/v1/logs", logs(other, other))):
        answer = server.post(request.SerializeToString(), path)
        assert (answer.status_code, answer.content) == (200, b"")
    stats = server.stats()
    assert (stats["metrics_dropped"], stats["logs_dropped"], stats["spans"]) == (3, 2, 0)


def test_questions_are_answered_while_requests_are_written(server: Server) -> None:
    for _ in range(20):
        assert server.post(traces(*(span_message(run_attributes()) for _ in range(50)))).status_code == 200
        assert httpx.get(f"{server.http}/api/v1/runs?limit=1").status_code == 200
    assert server.stats()["spans"] == 1000


def test_the_folder_of_a_new_store_is_made(tmp_path: Path) -> None:
    with Server(tmp_path / "jobspan.duckdb") as first:
        deep = first.store.parent / "a" / "b" / "new.duckdb"
    server = Server(tmp_path / "other.duckdb", "--store", str(deep))
    with server:
        assert deep.exists()


def _told(server: Server, request: ExportTraceServiceRequest) -> Sequence[Span]:
    backend = open_backend(server.store)
    told = _story(backend, spans_in(request))
    backend.close()
    return told
