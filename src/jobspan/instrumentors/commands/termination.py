"""SIGTERM or SIGHUP in a command: the command is recorded before the process dies of the signal as it would have.

Handled only while a command is open, in the main thread, and where the application does not handle it. Python runs a
handler between two lines of Python: in a call into C that does not return, the signal waits for that.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Hashable
from types import FrameType

from jobspan import forks
from jobspan.events import CommandFinished, CommandStarted, DaemonStarted, Event, Sink
from jobspan.instrumentors.guard import guarded
from jobspan.recording.sdk.flush import DEADLINE_S, flush_and_leave

_INIT = 1
"""The kernel sends no signal to the first process of a container that has no handler: as by default, it lives on."""
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Termination:
    """A sink before the sink: what is open in it is ended when the process is asked to end."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._open: dict[Hashable, None] = {}
        self._pid = 0
        self._is_dying = False

    def __call__(self, event: Event) -> None:
        """Pass an event on."""
        self._sink(event)
        self._follow(event)

    def forget(self) -> None:
        """Leave the signal to itself."""
        self._open.clear()
        self._restore()

    @guarded
    def _follow(self, event: Event) -> None:
        if isinstance(event, CommandStarted):
            self._open[event.key] = None
            if event.is_process:
                # A command inside a job is not what the process is there for: its worker knows how to end.
                self._handle()
        elif isinstance(event, DaemonStarted):
            self.forget()
        elif isinstance(event, CommandFinished) and event.key in self._open:
            del self._open[event.key]
            if not self._open:
                self._restore()

    def _handle(self) -> None:
        if threading.current_thread() is not threading.main_thread() or os.getpid() == _INIT:
            return
        for number in _SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                self._pid = os.getpid()
                signal.signal(number, self._on_signal)
                if self not in _in_force:
                    _in_force.append(self)

    def _restore(self) -> None:
        if self in _in_force:
            _in_force.remove(self)
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if getattr(signal.getsignal(number), "__self__", None) is self:
                    signal.signal(number, signal.SIG_DFL)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        is_ours = os.getpid() == self._pid
        if is_ours and self._is_dying:
            return  # it dies of the first
        self._is_dying = True
        try:
            if is_ours:
                # In a thread of its own: the line that was interrupted may hold any lock.
                reporting = threading.Thread(
                    target=self._report, args=(number,), daemon=True, name="jobspan-termination"
                )
                reporting.start()
                reporting.join(DEADLINE_S)
        finally:
            # Whatever a handler of the application raises into the waiting.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    @guarded
    def _report(self, number: int) -> None:
        for key in reversed(list(self._open)):
            self._sink(CommandFinished(key, None, None, time.time_ns(), signal=signal.Signals(number).name))
        flush_and_leave()


_in_force: list[Termination] = []


def _forget() -> None:
    # A child that was forked dies of the signal as it would have.
    while _in_force:
        _in_force.pop().forget()


forks.join("termination", in_child=_forget)
