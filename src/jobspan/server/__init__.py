"""The receiver of OTLP: spans into the embedded store, and an HTTP API to ask it.

receive/: bytes ──► grpc, http ──► ingest ──► decoding ──► storage/: writer ──► store
                                      │                               (one thread, one transaction for many requests)
                                      └ replies after the commit
api ◄── backends.store.reader ◄── the same store
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobspan.errors import MissingExtra, UsageError
from jobspan.quantities import bytes_of, seconds_of

GRPC_PORT = 4317
HTTP_PORT = 4318
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Serving:
    """Where a server takes telemetry and questions.

    Attributes:
        grpc: OTLP over gRPC, as ``host:port``.
        http_url: OTLP over HTTP, and the API.
        store: the file.
    """

    grpc: str
    http_url: str
    store: Path


def serve(
    store: Path,
    host: str = LOOPBACK,
    grpc_port: int = GRPC_PORT,
    http_port: int = HTTP_PORT,
    ready: Callable[[Serving], None] | None = None,
    *,
    keep: str = "off",
    max_size: str = "off",
) -> None:
    """Receive and answer until SIGTERM or SIGINT; then write what was accepted and close the store.

    Args:
        store: the DuckDB file; made with its folder when absent.
        host: address to listen on. Anything but loopback is open to the network: there is no login.
        grpc_port: port for OTLP over gRPC; 0: any free one.
        http_port: port for OTLP over HTTP and for the API; 0: any free one.
        ready: called when requests are taken.
        keep: let go of spans that ended longer ago, as ``14d`` or ``36h``; ``off``: never.
        max_size: let go of the oldest spans before the file is larger, as ``5GB``; ``off``: never.

    Raises:
        UsageError: ``keep`` or ``max_size`` cannot be read.
        UsageError: a port is taken, the store is held by another process, is no store of ours, or a package is missing.
    """
    limits = {"keep_s": _read("--keep", keep, seconds_of), "max_bytes": _read("--max-size", max_size, bytes_of)}
    try:
        from jobspan.server.serving import run
        from jobspan.server.storage.retention import Retention
    except ImportError as error:
        if (error.name or "").startswith("jobspan"):
            raise
        raise MissingExtra("jobspan serve", "server", error) from error
    run(store, host, grpc_port, http_port, ready, Retention(**limits))


def _read(option: str, text: str, read: Callable[[str], int | None]) -> int | None:
    try:
        return read(text)
    except ValueError as expected:
        raise UsageError(f"saw {option} {text}; expected {expected}") from expected
