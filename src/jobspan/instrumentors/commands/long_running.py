"""What shows that a program is none that ends: a server, worker or scheduler begins its loop.

Each hook is put in place when the library is imported, and does nothing where no command is open.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

from jobspan.events import DaemonStarted, Sink
from jobspan.frameworks import TASK_LIBRARIES
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported
from jobspan.recording.registry.open_commands import apart

LOOPS: tuple[tuple[str, str | None, str], ...] = (
    ("uvicorn.main", None, "run"),
    ("uvicorn.server", "Server", "serve"),
    ("hypercorn.asyncio", None, "serve"),
    ("hypercorn.trio", None, "serve"),
    ("hypercorn.run", None, "run"),
    ("aiohttp.web_runner", "BaseRunner", "setup"),
    ("werkzeug.serving", None, "run_simple"),
    ("gunicorn.arbiter", "Arbiter", "run"),
    ("waitress.server", "BaseWSGIServer", "run"),
    ("waitress.server", "MultiSocketServer", "run"),
    ("tornado.tcpserver", "TCPServer", "add_sockets"),
    ("grpc._server", "_Server", "start"),
    ("grpc.aio._server", "Server", "start"),
    ("asyncio.base_events", "Server", "serve_forever"),
    *(loop for library in TASK_LIBRARIES.values() for loop in library.loops),
    ("apscheduler.schedulers.base", "BaseScheduler", "start"),
    ("schedule", "Scheduler", "run_pending"),
)
LISTENERS: tuple[tuple[str, str | None, str], ...] = (
    ("asyncio.base_events", "BaseEventLoop", "create_server"),
    ("asyncio.unix_events", "_UnixSelectorEventLoop", "create_unix_server"),
)
"""What is called for each connection has the context in which the server began to listen."""

HELPERS: tuple[tuple[str, str | None, str], ...] = (("socketserver", "BaseServer", "serve_forever"),)
"""A command may well listen in a thread beside its work, for a scrape or a call back."""


class LongRunningPrograms:
    """Reports to the sink when one of the loops begins."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def install(self, patches: Patches) -> None:
        """Wrap the beginning of every loop that is known."""
        for where, wrapper in (
            (LOOPS, self._begin),
            (HELPERS, self._begin_in_main_thread),
            (LISTENERS, _listen_apart),
        ):
            for module, owner, name in where:
                when_imported(module, _patch(patches, owner, name, wrapper), patches)

    def _begin(self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self._report()
        return wrapped(*args, **kwargs)

    def _begin_in_main_thread(
        self, wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if threading.current_thread() is threading.main_thread():
            self._report()
        return wrapped(*args, **kwargs)

    @guarded
    def _report(self) -> None:
        self._sink(DaemonStarted())


async def _listen_apart(
    wrapped: Callable[..., Awaitable[Any]], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    # What a connection publishes is the command's all the same, for as long as it is one.
    with apart():
        return await wrapped(*args, **kwargs)


def _patch(patches: Patches, owner: str | None, name: str, wrapper: Callable[..., Any]) -> Callable[[ModuleType], None]:
    @guarded
    def patch(module: ModuleType) -> None:
        target = module if owner is None else getattr(module, owner, None)
        # A version that has it elsewhere is one whose servers are known by their names alone.
        if target is not None and hasattr(target, name):
            patches.wrap(target, name, wrapper)

    return patch
