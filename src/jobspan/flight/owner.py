"""Which process a flight file belongs to, in words that no other process can be mistaken for."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from jobspan.named_tuple import NamedTuple


class Owner(NamedTuple):
    """A process: boot of the machine, pid namespace, pid, and start time in clock ticks since that boot."""

    boot: str
    namespace: int
    pid: int
    started: int

    @property
    def is_gone(self) -> bool:
        """Say whether it has certainly ended; False as well where this process cannot know."""
        if self.boot != _boot():
            return True
        if self.namespace != _namespace():
            return False
        return _started(self.pid) != self.started


def this_process() -> Owner:
    """Return who we are."""
    pid = os.getpid()
    return Owner(_boot(), _namespace(), pid, _started(pid) or 0)


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _started(pid: int) -> int | None:
    """Return the start time of a living process; None when there is none, or only its zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _exists(pid)
    except OSError:
        return None
    state, *fields = text.rpartition(b")")[2].split()
    return None if state in {b"Z", b"X"} else int(fields[18])


def _exists(pid: int) -> int | None:
    """Where there is no /proc, a pid is all there is: start times are 0."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return 0
