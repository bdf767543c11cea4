"""What dead processes left, recovered as the SDK has room for it: its queue would drop the rest, and no file remain."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.safety import dropped
from jobspan.recording.sdk.flush import flush_soon

_LOOKS_AGAIN_S = 0.1
_COLLECTOR_AWAY_S = 300.0
"""For so long what is left may wait for a collector, each time; then it is tried whether that is back."""

T = TypeVar("T")


class Backlog(Generic[T]):
    """Files of dead processes, each with how its process died, recovered in the order of the deaths.

    Args:
        recover: recovers a file and removes it.
        one_at_a_time: held by the caller, and while a file is recovered.
    """

    def __init__(self, recover: Callable[[Path, T], None], one_at_a_time: AbstractContextManager[object]) -> None:
        self._recover = recover
        self._one_at_a_time = one_at_a_time
        self._waiting: dict[Path, T] = {}
        self._is_going_on = False

    def __contains__(self, path: Path) -> bool:
        return path in self._waiting

    def add(self, path: Path, death: T) -> None:
        """Let a file wait until it is recovered."""
        self._waiting[path] = death

    def recover(self) -> None:
        """Recover what there is room for, and the rest later; what is left when this process dies is for the next."""
        while self._waiting and not flight_log.has_much_to_send:
            self._recover_first()
        if self._waiting and not self._is_going_on:
            with suppress(RuntimeError):  # the interpreter is leaving
                threading.Thread(target=self._go_on, daemon=True, name="jobspan-backlog").start()
                self._is_going_on = True

    def _go_on(self) -> None:
        while True:
            make_room()
            with self._one_at_a_time:
                if not self._waiting:
                    self._is_going_on = False
                    return
                try:
                    self._recover_first()
                except Exception as error:  # noqa: BLE001 - a thread of jobspan in the application's worker
                    dropped.count(f"{dropped.HOOK_ERROR}:backlog", repr(error), error=error)
            flush_soon()

    def _recover_first(self) -> None:
        path = next(iter(self._waiting))
        self._recover(path, self._waiting.pop(path))


def make_room() -> None:
    """Wait until this process has sent most of what it holds."""
    deadline = time.monotonic() + _COLLECTOR_AWAY_S
    while flight_log.has_much_to_send and time.monotonic() < deadline:
        flush_soon()
        time.sleep(_LOOKS_AGAIN_S)
