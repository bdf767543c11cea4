"""Learn of the death of child processes at once, without reaping them: the library that started them does that."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable

Died = Callable[[int, int | None], None]
"""Takes pid and exit code, negative for a signal; None where it is not known."""

_REAPER_S = 5.0
"""So long another part of this process that has reaped a child first may take to report its exit code."""


class Watch:
    """One thread that waits for all watched processes; none is started before the first of them.

    Where the system has no process descriptors (before Linux 5.3, macOS), ``add`` does nothing: whoever reaps the
    processes must report it.
    """

    def __init__(self, died: Died) -> None:
        self._died = died
        self._pids: dict[int, int] = {}
        self._owner = 0
        self._poll: select.epoll | None = None

    def add(self, pid: int) -> None:
        """Watch a child process from now on."""
        if not hasattr(os, "pidfd_open") or not hasattr(select, "epoll"):
            return
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return  # an older kernel, a sandbox that forbids it, no descriptor to be had
        if self._owner != os.getpid():
            # The first, or the first after a fork: what the parent watched is not this process's to watch.
            self._owner, self._poll, self._pids = os.getpid(), select.epoll(), {}
            threading.Thread(target=self._run, args=(self._poll,), daemon=True, name="jobspan-watch").start()
        assert self._poll is not None  # noqa: S101 - for the type checker
        self._pids[fd] = pid
        self._poll.register(fd, select.EPOLLIN)

    def _run(self, poll: select.epoll) -> None:
        # The host's handlers belong to its own threads.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        unknown: list[tuple[float, int]] = []
        while True:
            for fd, _ in poll.poll(_REAPER_S if unknown else None):
                poll.unregister(fd)
                code, pid = _exit_code(fd), self._pids.pop(fd)
                os.close(fd)
                if code is None:
                    unknown.append((time.monotonic() + _REAPER_S, pid))
                else:
                    self._died(pid, code)
            while unknown and unknown[0][0] <= time.monotonic():
                self._died(unknown.pop(0)[1], None)


def _exit_code(fd: int) -> int | None:
    try:
        found = os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except OSError:
        return None
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
