"""One program as a child process: its own process group, its output in a file, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import psutil

from support.waiting import wait_until

if TYPE_CHECKING:
    from typing_extensions import Self

STARTED: list[Program] = []
"""Programs of the running test: their output is shown when it fails."""

_TAIL = 6000


class Program:
    """A child process. Use as a context manager, or call ``start`` and ``stop``.

    Args:
        args: command line.
        env: its whole environment.
        folder: where it runs, and where ``{name}.log`` takes its output.
        name: what messages call it.
        stop_s: seconds between SIGTERM and SIGKILL.
    """

    def __init__(
        self, args: Sequence[str], *, env: Mapping[str, str], folder: Path, name: str, stop_s: float = 15
    ) -> None:
        self.args, self.env, self.folder, self.name, self.stop_s = list(args), dict(env), folder, name, stop_s
        self.log_path = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it; a second start appends to the same log."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.args,
                env=self.env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        STARTED.append(self)
        return self

    @property
    def pid(self) -> int:
        """Process id of the main process."""
        return self._running().pid

    @property
    def log(self) -> str:
        """Everything that it printed so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def is_alive(self) -> bool:
        """The main process has not ended."""
        return self._process is not None and self._process.poll() is None

    def wait_for_log(self, text: str, *, times: int = 1, deadline_s: float = 60) -> None:
        """Wait until ``text`` stands in the output so often; an early end of the program is told at once."""

        def said() -> bool:
            if self.log.count(text) >= times:
                return True
            if not self.is_alive:
                raise RuntimeError(f"{self.name} ended before it said {text!r}:\n{self.log[-_TAIL:]}")
            return False

        try:
            wait_until(said, deadline_s=deadline_s, what=f"{self.name} says {text!r}")
        except TimeoutError as late:
            raise TimeoutError(f"{late}; it said:\n{self.log[-_TAIL:]}") from None

    def wait(self, deadline_s: float = 60) -> int:
        """Wait for its end and return the exit code, negative for a signal."""
        try:
            return self._running().wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {deadline_s:g} s:\n{self.log[-_TAIL:]}") from None

    def signal(self, number: int) -> None:
        """Send a signal to the main process."""
        os.kill(self.pid, number)

    def kill(self) -> int:
        """SIGKILL the whole group at once."""
        self._kill_group()
        return self._running().wait(10)

    def stop(self) -> int | None:
        """SIGTERM the main process, SIGKILL what is left of the group after the deadline; return the exit code."""
        if self._process is None:
            return None
        if self.is_alive:
            self.signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.stop_s)
        self._kill_group()
        return self._process.wait(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def _kill_group(self) -> None:
        # The group's id stays reserved while a member lives, and the leader is reaped by us alone.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._running().wait(10)
        wait_until(lambda: not has_members(self.pid), deadline_s=5, what=f"every process of {self.name} has ended")


def has_members(group: int) -> bool:
    """Say whether a process of the group lives; an orphan that nobody has reaped yet does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(map(partial(_is_member, group), psutil.process_iter()))


def _is_member(group: int, process: psutil.Process) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
