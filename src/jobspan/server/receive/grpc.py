"""OTLP over gRPC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from jobspan.errors import BackendError, MalformedData
from jobspan.server.listening import cannot_listen
from jobspan.server.receive.ingest import MAX_REQUEST_BYTES, Intake
from jobspan.server.receive.replies import response

_SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}


def make_server(intake: Intake, host: str, port: int) -> tuple[Any, int]:
    """Return a gRPC server, not yet started, and its port.

    Raises:
        UsageError: the port is taken.
    """
    options = [("grpc.max_receive_message_length", MAX_REQUEST_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers([_handler(intake, signal, service) for signal, service in _SERVICES.items()])
    try:
        bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except RuntimeError as error:
        raise cannot_listen("gRPC", host, port, "--grpc-port", error) from error
    return server, bound


def _handler(intake: Intake, signal: str, service: str) -> Any:
    export = grpc.unary_unary_rpc_method_handler(_exporter(intake, signal))
    return grpc.method_handlers_generic_handler(service, {"Export": export})


def _exporter(intake: Intake, signal: str) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def export(body: bytes, context: Any) -> bytes:
        try:
            batch = await intake.take(signal, body)
        except MalformedData as error:
            intake.counters.malformed += 1
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        except BackendError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise
        return bytes(response(signal, batch).SerializeToString())

    return export
