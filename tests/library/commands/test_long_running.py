"""A command in which a server, worker or scheduler begins its loop is none, and gives its context to no request."""

from __future__ import annotations

import asyncio
import importlib
import socketserver
import threading
from collections.abc import Callable
from typing import Any

import click
import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from click.testing import CliRunner

from jobspan import CommandInstrumentor
from jobspan.instrumentors.commands import long_running
from library.conftest import Instrumentation


def serve_in_asyncio() -> None:
    """Serve, and stop at once."""

    async def serve() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        serving = asyncio.ensure_future(server.serve_forever())
        await asyncio.sleep(0)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(serve())


def serve_in_socketserver() -> None:
    """Serve, and stop at once."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        threading.Thread(target=server.shutdown).start()
        server.serve_forever(poll_interval=0.01)


def serve_at_two_addresses() -> None:
    """Serve in waitress, and stop at once: as it does where ``localhost`` has an IPv4 and an IPv6 address."""
    waitress: Any = importlib.import_module("waitress")
    server = waitress.create_server(lambda *_: [], listen="127.0.0.1:0 127.0.0.1:0")
    sockets = list(server.map.values())
    server.map.clear()
    server.run()
    for each in sockets:
        each.socket.close()


def schedule() -> None:
    """Schedule, and stop at once."""
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start()
    scheduler.shutdown()


def serve_beside() -> None:
    """Serve in a thread beside the work."""
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        server.shutdown()
        thread.join()


def run(body: Callable[[], None], instrumentation: Instrumentation) -> list[tuple[str, str | None]]:
    """Run a command with this body and something after it; return the names and parents of all spans."""
    instrumentation.on(CommandInstrumentor())

    @click.command()
    def tool() -> None:
        body()
        instrumentation.provider.get_tracer("user").start_span("after").end()

    assert CliRunner().invoke(tool, [], prog_name="tool", catch_exceptions=False).exit_code == 0
    instrumentation.provider.get_tracer("user").start_span("outside").end()
    return [(span.name, span.parent_id) for span in instrumentation.spans]


@pytest.mark.parametrize("body", [serve_in_asyncio, serve_in_socketserver, serve_at_two_addresses, schedule])
def test_a_command_that_turns_out_to_be_a_daemon_is_none(
    instrumentation: Instrumentation, body: Callable[[], None]
) -> None:
    found = run(body, instrumentation)
    # What asyncio runs has a context of its own: there it was replaced, here it is the command's that is not recorded.
    assert [name for name, _ in found] == ["after", "outside"]
    assert found[1] == ("outside", None)


def test_a_loop_leaves_no_context_to_what_it_calls(instrumentation: Instrumentation) -> None:
    assert run(schedule, instrumentation) == [("after", None), ("outside", None)]


def test_a_server_beside_the_work_of_a_command_leaves_it_one(instrumentation: Instrumentation) -> None:
    assert [name for name, _ in run(serve_beside, instrumentation)] == ["tool", "after", "outside"]


@pytest.mark.parametrize(
    ("module", "owner", "name"), long_running.LOOPS + long_running.HELPERS + long_running.LISTENERS
)
def test_every_loop_that_is_known_is_there(module: str, owner: str | None, name: str) -> None:
    found: Any = pytest.importorskip(module)
    assert callable(getattr(found if owner is None else getattr(found, owner), name))
    assert importlib.import_module(module) is found
