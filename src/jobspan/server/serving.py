"""Both receivers and the API in one event loop, from the open store to the last commit."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from jobspan.backends.store.address import ServerAddress, remove_address, write_address
from jobspan.server import Serving, api, listening
from jobspan.server.receive import grpc, http
from jobspan.server.receive.ingest import Intake
from jobspan.server.storage.retention import Retention
from jobspan.server.storage.store import Store

_logger = logging.getLogger("jobspan.server")

_GRACE_S = 5
_BACKLOG = 2048
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  recognised, not listened on


def run(
    store: Path,
    host: str,
    grpc_port: int,
    http_port: int,
    ready: Callable[[Serving], None] | None,
    retention: Retention,
) -> None:
    """Serve until a signal; see ``jobspan.server.serve``."""
    if not _is_loopback(host):
        _logger.warning("listening on %s: anyone who reaches it can read and write, there is no login", host)
    # Before the store is opened: a server that cannot listen leaves no file behind.
    listening.check("gRPC", host, grpc_port, "--grpc-port")
    listening.check("HTTP", host, http_port, "--http-port")
    store = store.expanduser().resolve()
    with contextlib.closing(Intake(Store(store), retention=retention)) as intake:
        asyncio.run(_serve(intake, store, host, grpc_port, http_port, ready))


async def _serve(
    intake: Intake, store: Path, host: str, grpc_port: int, http_port: int, ready: Callable[[Serving], None] | None
) -> None:
    grpc_server, grpc_port = grpc.make_server(intake, host, grpc_port)
    with listening.bound("HTTP", host, http_port, "--http-port") as listener:
        listener.listen(_BACKLOG)
        http_port = listener.getsockname()[1]
        http_server = _http_server(intake, store, is_open=not _is_loopback(host))
        await grpc_server.start()
        with _until_signal(asyncio.get_running_loop()) as stopped:
            answering = asyncio.create_task(http_server.serve(sockets=[listener]))
            serving = Serving(f"{_shown(host)}:{grpc_port}", f"http://{_shown(host)}:{http_port}", store)
            write_address(store, ServerAddress(serving.http_url, os.getpid()))
            try:
                if ready is not None:
                    ready(serving)
                await asyncio.wait([answering, asyncio.ensure_future(stopped.wait())], return_when="FIRST_COMPLETED")
            finally:
                remove_address(store)
                http_server.should_exit = True
                await asyncio.gather(grpc_server.stop(_GRACE_S), answering)


class _HttpServer(uvicorn.Server):
    """Leaves the signals to us: they stop both receivers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def install_signal_handlers(self) -> None:
        """Do nothing; uvicorn before 0.29 calls this instead."""


def _http_server(intake: Intake, store: Path, *, is_open: bool) -> uvicorn.Server:
    routes = [*http.routes(intake), *api.routes(intake, str(store), is_open=is_open)]
    config = uvicorn.Config(
        Starlette(routes=routes),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    return _HttpServer(config)


@contextlib.contextmanager
def _until_signal(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
    """Yield what SIGTERM and SIGINT set; outside the main thread Python allows no handlers."""
    stopped = asyncio.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def stop(_number: int, _frame: Any) -> None:
        loop.call_soon_threadsafe(stopped.set)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(host: str) -> str:
    """Return the host as a URL that this machine can request writes it."""
    host = _ANY_ADDRESS.get(host, host)
    return f"[{host}]" if ":" in host else host
