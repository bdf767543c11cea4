"""Dramatiq's worker processes, seen from the command line's own: that they are dead, and how."""

from __future__ import annotations

import functools
import logging
import multiprocessing.process
import os
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from jobspan.events import ProcessEnded, ProcessLeaving, Sink, WatchEnded, WatchStarted
from jobspan.flight.watch import Watch
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches
from jobspan.recording.sdk.flush import flush_and_leave


class Children:
    """Tells the sink of the deaths of the processes that ``dramatiq.cli.main`` starts.

    At once by the kernel; where that does not know how a process ended (one of a fork server is no child of ours), when
    Dramatiq joins it.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._watch = Watch(self._died)
        self._main_pid = 0
        self._started: list[Any] = []

    def main(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``dramatiq.cli.main``; only while it lasts are processes of anybody's watched."""
        self._main_pid = os.getpid()
        here = Patches()
        here.wrap(multiprocessing.process.BaseProcess, "start", self._start)
        here.wrap(multiprocessing.process.BaseProcess, "join", self._join)
        here.wrap(os, "execvp", self._exec)
        self._begins()
        try:
            return wrapped(*args, **kwargs)
        finally:
            here.undo()
            self._ends()

    def _start(self, wrapped: Callable[..., Any], process: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        self._watched(process)
        return result

    def _join(self, wrapped: Callable[..., Any], process: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = wrapped(*args, **kwargs)
        self._seen(process)
        return result

    def _exec(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A reload puts another program in this process's place, without exit handlers."""
        if os.getpid() == self._main_pid:
            self._ends()
            self._leaves()
        return wrapped(*args, **kwargs)

    @guarded
    def _begins(self) -> None:
        self._sink(WatchStarted())

    @guarded
    def _watched(self, process: Any) -> None:
        if os.getpid() == self._main_pid:
            self._started.append(process)
            self._watch.add(process.pid)

    @guarded
    def _seen(self, process: Any) -> None:
        if os.getpid() == self._main_pid and process in self._started and process.exitcode is not None:
            self._started.remove(process)
            self._died(process.pid, process.exitcode)

    @guarded
    def _ends(self) -> None:
        # Dramatiq has closed its log by now, and an exporter may have something to say yet.
        logging.raiseExceptions = False
        for process in list(self._started):
            self._seen(process)
        self._sink(WatchEnded(_is_final))

    @guarded
    def _leaves(self) -> None:
        flush_and_leave()

    @guarded
    def _died(self, pid: int, exit_code: int | None) -> None:
        self._sink(ProcessEnded(pid, exit_code, time.time_ns(), _is_final))


def keep(children: Children, sink: Sink, cli: ModuleType, patches: Patches) -> None:
    """Stand around the command line's main function, and around that of a worker process."""
    patches.wrap(cli, "main", children.main)
    worker_process = cli.worker_process

    # A function, no wrapper object: where processes are not forked it is sent to them by its name.
    @functools.wraps(worker_process)
    def work_and_leave(*args: Any, **kwargs: Any) -> Any:
        try:
            return worker_process(*args, **kwargs)
        finally:
            _leaving(sink)

    cli.worker_process = work_and_leave  # type: ignore[attr-defined]  # a module's attribute

    def restore() -> None:
        if cli.worker_process is work_and_leave:
            cli.worker_process = worker_process  # type: ignore[attr-defined]  # as above

    patches.on_undo(restore)


@guarded
def _leaving(sink: Sink) -> None:
    sink(ProcessLeaving())


def _is_final(_: str) -> bool | None:
    """Whether a lost job comes back is known to its broker alone."""
    return None
