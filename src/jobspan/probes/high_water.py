"""The kernel's high-water mark of this process's resident memory, brought down and read in a few microseconds.

``5`` written to /proc/self/clear_refs brings it down to what is resident (proc_pid_clear_refs(5), Linux 4.0). It is
VmHWM in /proc/self/status; ``ru_maxrss`` is read twenty times faster and is the same or, where the program before an
``exec`` in this process was larger, that program's.
"""

from __future__ import annotations

import mmap
import os
import sys

from jobspan import forks

if sys.platform != "win32":
    import resource

_CLEAR_REFS, _STATUS = "/proc/self/clear_refs", "/proc/self/status"
_TRIAL_BYTES = 4 * 1024 * 1024


class HighWaterMark:
    """The mark of one process; a fork begins with one of its own."""

    def __init__(self) -> None:
        self._comes_down: bool | None = None
        self._inherited_bytes: int | None = None

    def reset(self) -> bool:
        """Bring it down to what is resident now; False where it does not come down, which is tried out once."""
        if self._comes_down is None:
            self._comes_down = self._is_brought_down()
        return self._comes_down and _clear()

    def read(self) -> int | None:
        """Return the highest resident set since it was reset."""
        highest = lifetime_bytes()
        # What it has from before an exec never changes: what is above that is of this program.
        is_ours = highest is not None and self._inherited_bytes is not None and highest > self._inherited_bytes
        return highest if is_ours else _from_status()

    def begin_anew(self) -> None:
        """Take a fork into account: no exec came before it; whether its mark comes down is known or tried again."""
        self._inherited_bytes = 0
        self._comes_down = self._comes_down or None

    def _is_brought_down(self) -> bool:
        before = _raised()
        if before is None or not _clear():
            return False
        after = _from_status()
        if self._inherited_bytes is None:
            self._inherited_bytes = lifetime_bytes()
        return after is not None and before - after > _TRIAL_BYTES / 2


def lifetime_bytes() -> int | None:
    """Return the mark without regard to what it was before an exec; None where the system has none."""
    if sys.platform != "linux":
        return None
    # Of the process as well, and quicker: it adds up no threads.
    return resource.getrusage(resource.RUSAGE_THREAD).ru_maxrss * 1024


def _raised() -> int | None:
    """Return the mark after it was raised above what is resident."""
    try:
        mmap.mmap(-1, _TRIAL_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()
    except (OSError, ValueError, AttributeError):
        return None
    return _from_status()


def _clear() -> bool:
    # Opened each time: a daemon closes descriptors that are not its own, and a number that was kept would be written
    # to another file that has it by then.
    try:
        descriptor = os.open(_CLEAR_REFS, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, b"5")
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _from_status() -> int | None:
    try:
        descriptor = os.open(_STATUS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return int(os.read(descriptor, 8192).partition(b"VmHWM:")[2].split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    finally:
        os.close(descriptor)


high_water = HighWaterMark()

forks.join("high-water mark", in_child=high_water.begin_anew)
