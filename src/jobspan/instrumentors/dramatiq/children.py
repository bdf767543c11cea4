"""Dramatiq's worker processes, seen from the command line's own: that they are dead, and how."""

from __future__ import annotations

import functools
import logging
import multiprocessing.process
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from jobspan.events import ProcessLeaving, Sink
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches
from jobspan.instrumentors.task_library.child_watch import ChildWatch
from jobspan.recording.sdk.flush import flush_and_leave


def install(sink: Sink, cli: ModuleType, patches: Patches) -> None:
    """Wrap the command line's main function, and that of a worker process."""
    patches.wrap(cli, "main", Children(sink).main)
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
            cli.worker_process = worker_process  # type: ignore[attr-defined]  # a module's attribute

    patches.on_undo(restore)


class Children:
    """Reports the deaths of the processes that ``dramatiq.cli.main`` starts to the sink.

    Whether a lost job comes back is known to its broker alone. Where the kernel does not know how a process ended (one
    of a fork server is no child of this process), its death is seen when Dramatiq joins it.
    """

    def __init__(self, sink: Sink) -> None:
        self._watch = ChildWatch(sink)
        self._main_pid = 0
        self._started: list[Any] = []

    def main(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``dramatiq.cli.main``; processes are watched only while it lasts."""
        self._main_pid = os.getpid()
        here = Patches()
        here.wrap(multiprocessing.process.BaseProcess, "start", self._start)
        here.wrap(multiprocessing.process.BaseProcess, "join", self._join)
        here.wrap(os, "execvp", self._exec)
        self._watch.begin()
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
    def _watched(self, process: Any) -> None:
        if os.getpid() == self._main_pid:
            self._started.append(process)
            self._watch.add(process)

    @guarded
    def _seen(self, process: Any) -> None:
        if os.getpid() == self._main_pid and process in self._started and process.exitcode is not None:
            self._started.remove(process)
            self._watch.reaped(process)

    @guarded
    def _ends(self) -> None:
        # Dramatiq has closed its log by now, and an exporter may still log.
        logging.raiseExceptions = False
        for process in list(self._started):
            self._seen(process)
        self._watch.end()

    @guarded
    def _leaves(self) -> None:
        flush_and_leave()


@guarded
def _leaving(sink: Sink) -> None:
    sink(ProcessLeaving())
