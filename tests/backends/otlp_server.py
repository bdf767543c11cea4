"""A real ``jobspan serve`` as a child process on free loopback ports, and what is asked of it."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import Self

from support import plain_http
from support.processes import Program

PROTOBUF = {"Content-Type": "application/x-protobuf"}
_EXPORT = "/opentelemetry.proto.collector.{0}.v1.{1}Service/Export"
_PATHS: dict[type[Message], tuple[str, str]] = {
    ExportTraceServiceRequest: ("/v1/traces", _EXPORT.format("trace", "Trace")),
    ExportLogsServiceRequest: ("/v1/logs", _EXPORT.format("logs", "Logs")),
}


def server_program(store: Path, *options: str, name: str = "serve") -> Program:
    """Return the program that serves a store."""
    ports = () if "--grpc-port" in options else ("--grpc-port", "0")
    ports = ports if "--http-port" in options else (*ports, "--http-port", "0")
    # The tests' spans are of a day of their own.
    limits = () if "--keep" in options else ("--keep", "off")
    args = [sys.executable, "-m", "jobspan.server", "--store", str(store), *ports, *limits, *options]
    return Program(args, env={"PATH": os.environ["PATH"]}, folder=store.parent, name=name)


class Server:
    """A server of a store; use as a context manager."""

    def __init__(self, store: Path, *options: str) -> None:
        self.store = store
        self.program = server_program(store, *options)
        self.grpc = self.http = ""

    def start(self) -> Server:
        """Start it, and wait until it takes requests."""
        said_before = self.program.log.count("OTLP gRPC")
        self.program.start().wait_for_log("OTLP gRPC", times=said_before + 1)
        self.grpc, self.http = re.findall(r"OTLP gRPC (\S+) · HTTP (\S+)", self.program.log)[-1]
        return self

    def stop(self) -> int | None:
        """Stop it as an operator does; return the exit code."""
        return self.program.stop()

    def post(self, request: Message | bytes, path: str = "/v1/traces", **headers: str) -> httpx.Response:
        """Send a request over HTTP."""
        if isinstance(request, bytes):
            body = request
        else:
            body, path = request.SerializeToString(), _PATHS[type(request)][0]
        sent = PROTOBUF | {name.replace("_", "-").title(): value for name, value in headers.items()}
        return plain_http.post(self.http + path, content=body, headers=sent, timeout=30)

    def call(self, request: Message | bytes, method: str = _EXPORT.format("trace", "Trace")) -> bytes:
        """Send a request over gRPC; return the response's bytes."""
        if isinstance(request, bytes):
            body = request
        else:
            body, method = request.SerializeToString(), _PATHS[type(request)][1]
        with grpc.insecure_channel(self.grpc) as channel:
            answer: bytes = channel.unary_unary(method)(body, timeout=30)
        return answer

    def stats(self) -> dict[str, Any]:
        """Return its counters."""
        answer: dict[str, Any] = plain_http.get(f"{self.http}/api/v1/stats").json()
        return answer

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
