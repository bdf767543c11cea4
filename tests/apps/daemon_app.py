"""A console command that turns out to be a server, worker or scheduler: ``daemon_app.py KIND PORT``.

Whoever asks a server for something has it put a job; a scheduler puts them by itself, a worker runs those of others.
"""

from __future__ import annotations

import asyncio
import signal
import socketserver
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import click

HOST = "127.0.0.1"


def _put_one(*_: Any) -> bytes:
    from apps.celery_app import ok, put

    put(ok)
    return b"put"


def _wsgi(_: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [_put_one()]


async def _asgi(scope: Any, _: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": _put_one()})


def _uvicorn(port: int) -> None:
    import uvicorn

    asyncio.run(uvicorn.Server(uvicorn.Config(_asgi, HOST, port, lifespan="off")).serve())


def _hypercorn(port: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config.from_mapping(bind=f"{HOST}:{port}")
    asyncio.run(serve(_asgi, config, mode="asgi"))


def _aiohttp(port: int) -> None:
    from aiohttp import web

    async def answer(_: Any) -> web.Response:
        return web.Response(body=_put_one())

    application = web.Application()
    application.router.add_get("/", answer)
    web.run_app(application, host=HOST, port=port)


def _werkzeug(port: int) -> None:
    from werkzeug.serving import run_simple

    run_simple(HOST, port, _wsgi)


def _gunicorn(port: int) -> None:
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # it has none

    class Application(BaseApplication):  # type: ignore[misc]  # it has no types
        def load_config(self) -> None:
            self.cfg.set("bind", f"{HOST}:{port}")

        def load(self) -> Any:
            return _wsgi

    Application().run()


def _waitress(port: int) -> None:
    from waitress import serve  # type: ignore[import-untyped]  # it has no types

    serve(_wsgi, host=HOST, port=port)


def _tornado(port: int) -> None:
    from tornado import web

    class Handler(web.RequestHandler):
        def get(self) -> None:
            self.write(_put_one())

    async def serve() -> None:
        web.Application([("/", Handler)]).listen(port, HOST)
        await asyncio.Event().wait()

    asyncio.run(serve())


def _socketserver(port: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(_put_one())

    HTTPServer((HOST, port), Handler).serve_forever()


def _asyncio_server(port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + _put_one())
        writer.close()

    async def serve() -> None:
        await (await asyncio.start_server(answer, HOST, port)).serve_forever()

    asyncio.run(serve())


def _handler() -> Any:
    import grpc

    return grpc.method_handlers_generic_handler("Jobs", {"Put": grpc.unary_unary_rpc_method_handler(_put_one)})


def _grpc(port: int) -> None:
    import grpc

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((_handler(),))
    server.add_insecure_port(f"{HOST}:{port}")
    server.start()
    server.wait_for_termination()


def _grpc_aio(port: int) -> None:
    import grpc.aio

    async def serve() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_handler(),))
        server.add_insecure_port(f"{HOST}:{port}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(serve())


def _schedule(_: int) -> None:
    import schedule

    schedule.every(0.2).seconds.do(_put_one)  # type: ignore[arg-type]  # it can, and does not say so
    while True:
        schedule.run_pending()
        time.sleep(0.05)


def _apscheduler(_: int) -> None:
    from apscheduler.schedulers.blocking import BlockingScheduler

    scheduler = BlockingScheduler(timezone="UTC")
    scheduler.add_job(_put_one, "interval", seconds=0.3)
    scheduler.start()


def _celery(_: int) -> None:
    from apps.celery_app import app

    app.worker_main(["worker", "--pool", "solo", "--concurrency", "1"])


def _dramatiq(_: int) -> None:
    import dramatiq

    from apps.dramatiq_app import broker

    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    signal.sigwait([signal.SIGTERM])
    worker.stop()


KINDS: dict[str, Callable[[int], None]] = {
    "uvicorn": _uvicorn,
    "hypercorn": _hypercorn,
    "aiohttp": _aiohttp,
    "werkzeug": _werkzeug,
    "gunicorn": _gunicorn,
    "waitress": _waitress,
    "tornado": _tornado,
    "socketserver": _socketserver,
    "asyncio": _asyncio_server,
    "grpc": _grpc,
    "grpc.aio": _grpc_aio,
    "schedule": _schedule,
    "apscheduler": _apscheduler,
    "celery": _celery,
    "dramatiq": _dramatiq,
}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("port", type=int)
def main(kind: str, port: int) -> None:
    """Be a daemon of a kind."""
    socketserver.TCPServer.allow_reuse_address = True
    if kind == "dramatiq":
        # Waited for below; blocked before there are threads.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    print("begins", flush=True)
    KINDS[kind](port)


if __name__ == "__main__":
    main()
