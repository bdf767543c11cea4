"""An OTLP collector inside the test: gRPC and HTTP on free loopback ports, slow, refusing or dead when told to."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb

from jobspan.runs import Span
from support.otlp_values import LogRecord, Point, ReceivedSpan, logs_of, points_of, spans_of
from support.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from typing_extensions import Self

_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"
_SIGNALS: dict[str, tuple[str, str, Any, Any]] = {
    # signal: (HTTP path, gRPC service, request, response)
    "traces": (
        "/v1/traces",
        _SERVICE.format("trace", "Trace"),
        trace_pb.ExportTraceServiceRequest,
        trace_pb.ExportTraceServiceResponse,
    ),
    "logs": (
        "/v1/logs",
        _SERVICE.format("logs", "Logs"),
        logs_pb.ExportLogsServiceRequest,
        logs_pb.ExportLogsServiceResponse,
    ),
    "metrics": (
        "/v1/metrics",
        _SERVICE.format("metrics", "Metrics"),
        metrics_pb.ExportMetricsServiceRequest,
        metrics_pb.ExportMetricsServiceResponse,
    ),
}


class Refused(Exception):
    """The collector was told to refuse."""


class Collector:
    """Keeps all that is exported to it, also over ``kill`` and ``restart``.

    Attributes:
        delay_s: how long each request waits before it is answered.
        refuses: answer UNAVAILABLE (gRPC) or 503 (HTTP) and keep nothing.
        requests: accepted requests by (signal, "grpc" or "http").
        refused: how many requests were refused.
    """

    def __init__(self) -> None:
        self.grpc_port, self.http_port = free_port(), free_port()
        self.delay_s = 0.0
        self.refuses = False
        self.requests: dict[tuple[str, str], int] = {}
        self.refused = 0
        self._traces: list[Any] = []
        self._received: list[ReceivedSpan] = []
        self._logs: list[LogRecord] = []
        self._points: list[Point] = []
        self._changed = threading.Condition()
        self._servers: tuple[grpc.Server, _HttpServer] | None = None

    @property
    def grpc_endpoint(self) -> str:
        """Value for ``OTEL_EXPORTER_OTLP_ENDPOINT`` with protocol ``grpc``."""
        return f"http://{LOOPBACK}:{self.grpc_port}"

    @property
    def http_endpoint(self) -> str:
        """Value for ``OTEL_EXPORTER_OTLP_ENDPOINT`` with protocol ``http/protobuf``."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans received so far, in order of their start."""
        return tuple(sorted((received.span for received in self.received), key=lambda span: span.start_ns))

    @property
    def received(self) -> tuple[ReceivedSpan, ...]:
        """The spans in order of arrival, with scope, schema URL, trace state and flags."""
        with self._changed:
            return tuple(self._received)

    @property
    def trace_requests(self) -> tuple[Any, ...]:
        """The requests with spans, as they came."""
        with self._changed:
            return tuple(self._traces)

    @property
    def logs(self) -> tuple[LogRecord, ...]:
        """The log records in order of arrival."""
        with self._changed:
            return tuple(self._logs)

    @property
    def points(self) -> tuple[Point, ...]:
        """The metrics' data points in order of arrival."""
        with self._changed:
            return tuple(self._points)

    def wait_for(self, condition: Callable[[Collector], Any], *, deadline_s: float = 15, what: str = "export") -> None:
        """Wait until ``condition(collector)`` holds, asked again at every request that arrives."""
        with self._changed:
            if self._changed.wait_for(lambda: condition(self), deadline_s):
                return
        seen = [f"{span.name} {dict(span.attributes)}" for span in self.spans]
        raise TimeoutError("\n  ".join([f"{what}: not within {deadline_s:g} s; {len(seen)} spans arrived:", *seen]))

    def wait_for_spans(self, count: int, *, named: str = "", deadline_s: float = 15) -> tuple[Span, ...]:
        """Wait for so many spans whose name begins with ``named``, and return them in order of their start."""

        def found() -> tuple[Span, ...]:
            return tuple(span for span in self.spans if span.name.startswith(named))

        self.wait_for(lambda _: len(found()) >= count, deadline_s=deadline_s, what=f"{count} spans {named!r}")
        return found()

    def clear(self) -> None:
        """Forget what was received."""
        with self._changed:
            self._traces.clear()
            self._received.clear()
            self._logs.clear()
            self._points.clear()

    def start(self) -> Self:
        """Listen on the same ports as ever."""
        http = _HttpServer((LOOPBACK, self.http_port), _HttpHandler)
        http.collector = self
        threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
        rpc = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        rpc.add_generic_rpc_handlers([self._grpc_handler(signal) for signal in _SIGNALS])
        rpc.add_insecure_port(f"{LOOPBACK}:{self.grpc_port}")
        rpc.start()
        self._servers = rpc, http
        return self

    def kill(self) -> None:
        """Stop listening and break the connections at once."""
        if self._servers is None:
            return
        rpc, http = self._servers
        self._servers = None
        rpc.stop(None).wait(5)
        http.shutdown()
        http.server_close()
        http.break_connections()

    def restart(self) -> Self:
        """Listen again after ``kill``."""
        self.kill()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def accept(self, signal: str, transport: str, request: Any) -> Any:
        """Keep a request's content and return the response; raises ``Refused`` when told to refuse."""
        time.sleep(self.delay_s)
        with self._changed:
            if self.refuses:
                self.refused += 1
                self._changed.notify_all()
                raise Refused
            self._keep(signal, request)
            self.requests[signal, transport] = self.requests.get((signal, transport), 0) + 1
            self._changed.notify_all()
        return _SIGNALS[signal][3]()

    def _keep(self, signal: str, request: Any) -> None:
        if signal == "traces":
            self._traces.append(request)
            self._received.extend(spans_of(request))
        elif signal == "logs":
            self._logs.extend(logs_of(request))
        else:
            self._points.extend(points_of(request))

    def _grpc_handler(self, signal: str) -> grpc.GenericRpcHandler:
        _, service, request_type, response_type = _SIGNALS[signal]

        def export(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return self.accept(signal, "grpc", request)
            except Refused:
                context.abort(grpc.StatusCode.UNAVAILABLE, "told to refuse")

        method = grpc.unary_unary_rpc_method_handler(export, request_type.FromString, response_type.SerializeToString)
        return grpc.method_handlers_generic_handler(service, {"Export": method})


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    collector: Collector

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        for connection in tuple(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing on stderr: a client that is killed in the middle is part of the tests."""


class _HttpHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        signal = _signal_of(self.path, ((name, row[0]) for name, row in _SIGNALS.items()))
        if signal is None:
            self._answer(404, b"")
            return
        try:
            response = self.server.collector.accept(signal, "http", _SIGNALS[signal][2].FromString(body))
        except Refused:
            self._answer(503, b"told to refuse")
        else:
            self._answer(200, response.SerializeToString())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
        """Say nothing on stderr."""


def _signal_of(path: str, paths: Iterable[tuple[str, str]]) -> str | None:
    return next((signal for signal, known in paths if known == path), None)
