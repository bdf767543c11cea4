"""The deaths of a worker's child processes → events: at once by the kernel, else when the library reaps them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from jobspan.events import ProcessEnded, Sink, WatchEnded, WatchStarted
from jobspan.flight.watch import Watch
from jobspan.instrumentors.guard import guarded


class ChildWatch:
    """Reports to the sink that a worker's children are dead, and how.

    Args:
        sink: what takes the events.
        is_final: says of a job's id whether a lost run of it was its last; None: this worker cannot know.
        is_asked_to: says of an exit code whether whoever stops the worker asked the child to leave.
    """

    def __init__(
        self,
        sink: Sink,
        is_final: Callable[[str], bool | None] = lambda _: None,
        is_asked_to: Callable[[int | None], bool] = lambda _: False,
    ) -> None:
        self._sink = sink
        self._is_final = is_final
        self._is_asked_to = is_asked_to
        self._watch = Watch(self._died)

    @guarded
    def begin(self) -> None:
        """The worker begins."""
        self._sink(WatchStarted())

    @guarded
    def end(self) -> None:
        """The worker ends; its children have ended before it."""
        self._sink(WatchEnded(self._is_final))

    @guarded
    def add(self, process: Any) -> None:
        """A child was started."""
        self._watch.add(process.pid)

    @guarded
    def reaped(self, process: Any, *_: Any, **__: Any) -> None:
        """The library looked at a child, which may be alive."""
        if process.exitcode is not None:
            self._died(process.pid, process.exitcode)

    @guarded
    def _died(self, pid: int, exit_code: int | None) -> None:
        is_asked_to = self._is_asked_to(exit_code)
        self._sink(ProcessEnded(pid, exit_code, time.time_ns(), self._is_final, is_asked_to))
