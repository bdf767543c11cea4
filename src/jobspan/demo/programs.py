"""The tour's programs: each in a process group of its own, its output in a file, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jobspan.demo.interrupts import deferred_interrupts
from jobspan.errors import JobspanError

_READY_S = 25.0
_POLL_S = 0.05
_TAIL = 2000
_INSTRUMENTED = "from opentelemetry.instrumentation.auto_instrumentation import run; run()"


class Program:
    """A running child process; ``stop`` ends it and all that it started."""

    def __init__(self, name: str, args: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                args,
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is its group's too."""
        return self._process.pid

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        """Wait until it is ready.

        Raises:
            JobspanError: it ended before, or took longer than 25 s; the message has the end of its output.
        """
        deadline = time.monotonic() + _READY_S
        while not is_ready():
            if self._process.poll() is not None:
                raise JobspanError(f"{self.name} ended with code {self._process.returncode}: {self._output_tail()}")
            if time.monotonic() > deadline:
                raise JobspanError(f"{self.name} was not ready after {_READY_S:.0f} s: {self._output_tail()}")
            time.sleep(_POLL_S)

    def has_printed(self, text: str) -> bool:
        """Say whether its output contains ``text``."""
        return text in self.log.read_text("utf-8", "replace")

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self, grace_s: float = 8.0) -> None:
        """End it: SIGTERM, and SIGKILL for whatever of its group is left after the grace."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _output_tail(self) -> str:
        return self.log.read_text("utf-8", "replace")[-_TAIL:].strip() or "it said nothing"


def start(name: str, args: Sequence[str], folder: Path, environ: Mapping[str, str], into: list[Program]) -> Program:
    """Start a program and note it among those that are to be stopped; no interrupt comes between the two."""
    with deferred_interrupts():
        into.append(Program(name, args, folder, environ))
    return into[-1]


def python(*args: str) -> list[str]:
    """Return a command line for this interpreter."""
    return [sys.executable, *args]


def instrumented(*args: str) -> list[str]:
    """Return a command line for this interpreter under ``opentelemetry-instrument``."""
    return python("-c", _INSTRUMENTED, *python(*args))


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    """Say whether a program accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
