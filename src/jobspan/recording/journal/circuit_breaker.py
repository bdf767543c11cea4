"""A collector that does not answer delays a command once, not each of its processes.

A process whose whole wait at its exit was for nothing notes that in the state folder. Those that leave within half a
minute of it only try for a moment whether the collector answers again. Their spans are in their flight records.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from struct import Struct

from opentelemetry.trace import Span

from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.sdk.flush import before_waiting

_FILE = "vain-waits"  # its name in the state folder, which processes of another version share
_PLACES = 256
_MARK = Struct("=16sQ")
"""Trace id and Unix time in ns; two commands that share a place wait once more than they had to."""
_FRESH_NS = 30_000_000_000
_LOOK_S = 0.1

_trace: bytes = b""


def share_with_trace(span: Span) -> None:
    """Leave from now on as one of the processes of a span's trace."""
    global _trace  # noqa: PLW0603 - a process works for one command
    _trace = span.get_span_context().trace_id.to_bytes(16, "big")


def reset() -> None:
    """Leave from now on as a process of its own."""
    global _trace  # noqa: PLW0603 - one a process
    _trace = b""


class CircuitBreaker:
    """Says how long to wait for the collector, and keeps whether it answered."""

    def longest_s(self, asked_s: float) -> float:
        """Return for how long it is worth waiting."""
        return min(asked_s, _LOOK_S) if self._is_fresh() else asked_s

    def waited(self, asked_s: float, longest_s: float, *, is_answered: bool) -> None:
        """Keep a whole wait for nothing; forget it when the collector answers."""
        if is_answered:
            if longest_s < asked_s:
                _write(0)
        elif longest_s == asked_s:
            _write(time.time_ns())

    def _is_fresh(self) -> bool:
        trace, at_ns = _read()
        return trace == _trace != b"" and 0 <= time.time_ns() - at_ns < _FRESH_NS


def _read() -> tuple[bytes, int]:
    with suppress(OSError):
        fd = _opened(os.O_RDONLY)
        try:
            found = os.pread(fd, _MARK.size, _at())
        finally:
            os.close(fd)
        if len(found) == _MARK.size:
            return _MARK.unpack(found)
    return b"", 0


def _write(at_ns: int) -> None:
    if not _trace:
        return
    with suppress(OSError):
        fd = _opened(os.O_WRONLY | os.O_CREAT)
        try:
            os.pwrite(fd, _MARK.pack(_trace, at_ns), _at())
        finally:
            os.close(fd)


def _opened(how: int) -> int:
    folder = flight_log.folder if _trace else None
    if folder is None:
        raise FileNotFoundError(_FILE)
    return os.open(folder / _FILE, how | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _at() -> int:
    return int.from_bytes(_trace[-8:], "big") % _PLACES * _MARK.size


before_waiting(CircuitBreaker())
