"""A program that turns out to be a server, worker or scheduler: ``daemon.py {command,script} KIND PORT``.

Each request or tick makes a SERVER span and puts a job.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import celery
import click
from opentelemetry import trace

_app = celery.Celery(broker="memory://")
_app.conf.update(worker_hijack_root_logger=False)
_ticks = 0


def tick() -> bytes:
    """Do what a request or a tick causes, and say so."""
    global _ticks  # noqa: PLW0603 - one a process
    _ticks += 1
    if _ticks <= 2:
        with trace.get_tracer("user").start_as_current_span("request", kind=trace.SpanKind.SERVER):
            pass
        _app.send_task("job", queue="elsewhere")
        print("ticked", flush=True)
    return b"put"


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer as an ASGI application."""
    if scope["type"] == "http":
        body = tick()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    """Answer as a WSGI application."""
    body = tick()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def _forever() -> None:
    while True:
        time.sleep(1)


def uvicorn_(port: int) -> None:
    import uvicorn

    uvicorn.run(asgi, host="127.0.0.1", port=port, lifespan="off")


def hypercorn_(port: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    asyncio.run(serve(asgi, config))


def aiohttp_(port: int) -> None:
    from aiohttp import web

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=tick())

    app = web.Application()
    app.router.add_get("/", answer)
    web.run_app(app, host="127.0.0.1", port=port)


def werkzeug_(port: int) -> None:
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", port, wsgi)


def waitress_(port: int) -> None:
    import waitress  # type: ignore[import-untyped]

    waitress.serve(wsgi, listen=f"127.0.0.1:{port}")


def gunicorn_(port: int) -> None:
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

    class Application(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
        def load_config(self) -> None:
            self.cfg.set("bind", f"127.0.0.1:{port}")
            self.cfg.set("control_socket_disable", True)

        def load(self) -> Any:
            return wsgi

    Application().run()


def tornado_(port: int) -> None:
    from tornado.ioloop import IOLoop
    from tornado.web import Application, RequestHandler

    class Answer(RequestHandler):
        def get(self) -> None:
            self.write(tick())

    Application([("/", Answer)]).listen(port, address="127.0.0.1")
    IOLoop.current().start()


def socketserver_(port: int) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = tick()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    HTTPServer(("127.0.0.1", port), Answer).serve_forever()


def asyncio_(port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1024):  # nothing comes from whoever only looks whether anybody listens
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + tick())
        writer.close()

    async def serve() -> None:
        await (await asyncio.start_server(answer, "127.0.0.1", port)).serve_forever()

    asyncio.run(serve())


def grpc_(port: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    def answer(_request: bytes, _context: Any) -> bytes:
        return tick()

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Daemon", {"Tick": handler})])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def grpc_aio(port: int) -> None:
    import grpc

    async def answer(_request: bytes, _context: Any) -> bytes:
        return tick()

    async def serve() -> None:
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(answer)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Daemon", {"Tick": handler})])
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()

    asyncio.run(serve())


def schedule_(_: int) -> None:
    import schedule

    schedule.every(0.1).seconds.do(tick)  # type: ignore[arg-type]  # a float will do
    while True:
        schedule.run_pending()
        time.sleep(0.05)


def apscheduler_blocking(_: int) -> None:
    from apscheduler.schedulers.blocking import BlockingScheduler

    scheduler = BlockingScheduler(timezone="UTC")
    scheduler.add_job(tick, "interval", seconds=0.1)
    scheduler.start()


def apscheduler_background(_: int) -> None:
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(tick, "interval", seconds=0.1)
    scheduler.start()
    _forever()


def celery_worker(_: int) -> None:
    from celery.signals import worker_ready

    worker_ready.connect(lambda **_: (tick(), tick()), weak=False)
    _app.Worker(pool="solo", without_mingle=True, without_gossip=True).start()


def dramatiq_worker(_: int) -> None:
    import dramatiq
    from dramatiq.brokers.stub import StubBroker

    dramatiq.Worker(StubBroker()).start()
    tick()
    tick()
    _forever()


@click.command()
@click.argument("kind")
@click.argument("port", type=int)
def command(kind: str, port: int) -> None:
    """Serve inside a command."""
    globals()[kind](port)


if __name__ == "__main__":
    way = sys.argv.pop(1)
    command() if way == "command" else globals()[sys.argv[1]](int(sys.argv[2]))
