"""The collector keeps what OpenTelemetry's own SDK and exporters send, over both transports and every fault."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from jobspan.runs import Link as SpanLink
from jobspan.runs import SpanEvent
from support.matching import assert_spans, expected_span
from support.otlp import Collector
from support.otlp_values import Histogram

RESOURCE = Resource({"service.name": "proof", "host.cores": 2}, "https://schema/resource")


@pytest.fixture(params=["grpc", "grpc+gzip", "http", "http+gzip"])
def exporter(request: pytest.FixtureRequest, collector: Collector) -> Iterator[SpanExporter]:
    grpc_compression = {"grpc": grpc.Compression.NoCompression, "grpc+gzip": grpc.Compression.Gzip}
    made: SpanExporter
    if request.param in grpc_compression:
        compression = grpc_compression[request.param]
        made = GrpcExporter(collector.grpc_endpoint, insecure=True, compression=compression)
    else:
        compression_http = Compression.Gzip if "gzip" in request.param else Compression.NoCompression
        made = HttpExporter(f"{collector.http_endpoint}/v1/traces", compression=compression_http)
    yield made
    made.shutdown()


def test_a_span_arrives_whole(exporter: SpanExporter, collector: Collector) -> None:
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("scope", "1.2", schema_url="https://schema/scope")
    with tracer.start_as_current_span("outer") as outer:
        attributes: dict[str, Any] = {
            "text": "é",
            "int": -7,
            "float": 0.5,
            "bool": False,
            "list": ["a", "b"],
            "empty": "",
        }
        inner = tracer.start_span(
            "inner", kind=SpanKind.CONSUMER, attributes=attributes, links=[Link(outer.get_span_context(), {"k": 1})]
        )
        inner.add_event("happened", {"x": 1}, timestamp=123)
        inner.set_status(Status(StatusCode.ERROR, "why"))
        inner.end()
    collector.wait_for_spans(2)
    resource = {"service.name": "proof", "host.cores": 2}
    assert_spans(
        collector.spans,
        [
            expected_span("outer", "internal", id="outer", attributes={}, scope="scope", resource=resource),
            expected_span(
                "inner",
                "consumer",
                id="inner",
                parent="outer",
                attributes={**attributes, "list": ("a", "b")},
                status="error",
                status_message="why",
                links=[SpanLink(_hex(outer, 32), _hex(outer, 16), {"k": 1})],
                events=[SpanEvent("happened", 123, {"x": 1})],
                scope="scope",
                resource=resource,
            ),
        ],
    )
    origin = collector.received[0].origin
    assert (origin.scope_version, origin.schema_url, origin.resource_schema_url) == (
        "1.2",
        "https://schema/scope",
        "https://schema/resource",
    )


def _hex(span: object, digits: int) -> str:
    context = span.get_span_context()  # type: ignore[attr-defined]  # a span of the SDK
    return format(context.trace_id if digits == 32 else context.span_id, f"0{digits}x")


def test_metrics_arrive_as_points(collector: Collector) -> None:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{collector.http_endpoint}/v1/metrics"), 3_600_000)
    provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
    meter = provider.get_meter("scope")
    meter.create_counter("jobs", "{job}", "how many").add(3, {"queue": "work"})
    meter.create_histogram("time", "s", explicit_bucket_boundaries_advisory=[1, 2]).record(1.5)
    provider.shutdown()
    points = {point.name: point for point in collector.points}
    jobs, spent = points["jobs"], points["time"]
    assert (jobs.type, jobs.unit, jobs.description, dict(jobs.attributes), jobs.value) == (
        "sum",
        "{job}",
        "how many",
        {"queue": "work"},
        3,
    )
    assert (jobs.monotonic, jobs.temporality, jobs.origin.scope) == (True, "cumulative", "scope")
    assert spent.value == Histogram(1, 1.5, (1.0, 2.0), (0, 1, 0))
    assert collector.requests == {("metrics", "http"): 1}


def test_log_records_arrive(collector: Collector) -> None:
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

    provider = LoggerProvider(RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(f"{collector.http_endpoint}/v1/logs")))
    record = LogRecord(timestamp=5, severity_number=SeverityNumber.ERROR, event_name="job.failed", attributes={"a": 1})
    provider.get_logger("scope").emit(record)
    provider.shutdown()
    (log,) = collector.logs
    assert (log.event, log.time_ns, log.severity, dict(log.attributes), log.origin.scope) == (
        "job.failed",
        5,
        17,
        {"a": 1},
        "scope",
    )


def _export_one(collector: Collector, name: str) -> None:
    exporter = GrpcExporter(collector.grpc_endpoint, insecure=True, timeout=10)
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("scope").start_span(name).end()
    provider.shutdown()


def test_a_slow_collector_answers_after_its_delay(collector: Collector) -> None:
    collector.delay_s = 0.3
    began = time.monotonic()
    _export_one(collector, "late")
    assert time.monotonic() - began >= 0.3
    assert [span.name for span in collector.spans] == ["late"]


def test_a_killed_collector_hears_nothing_and_a_restarted_one_hears_on_the_same_ports() -> None:
    with Collector() as collector:
        _export_one(collector, "before")
        ports = (collector.grpc_port, collector.http_port)
        collector.kill()
        with pytest.raises(grpc.FutureTimeoutError):
            grpc.channel_ready_future(grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}")).result(0.3)
        collector.restart()
        _export_one(collector, "after")
        assert (collector.grpc_port, collector.http_port) == ports
        assert [span.name for span in collector.spans] == ["before", "after"]
        assert collector.requests == {("traces", "grpc"): 2}


def test_a_refused_request_is_counted_and_not_kept(collector: Collector) -> None:
    collector.refuses = True
    exporter = HttpExporter(f"{collector.http_endpoint}/v1/traces", timeout=0.1)
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("scope").start_span("refused").end()
    assert collector.refused >= 1
    assert (collector.spans, collector.requests) == ((), {})


def test_waiting_ends_at_the_deadline_and_says_what_arrived(collector: Collector) -> None:
    _export_one(collector, "alone")
    with pytest.raises(TimeoutError, match=r"2 spans '': not within 0.1 s; 1 spans arrived:\n  alone"):
        collector.wait_for_spans(2, deadline_s=0.1)


def test_a_forgetful_collector_starts_anew(collector: Collector) -> None:
    _export_one(collector, "old")
    collector.clear()
    assert collector.spans == ()
