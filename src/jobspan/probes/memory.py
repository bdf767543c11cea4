"""Resident memory of this process now; on Linux in a microsecond or two."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import Any

from jobspan import forks

_PATH = "/proc/self/statm"
_CLOSED, _UNAVAILABLE = -1, -2


class _Statm:
    """An open /proc/self/statm: it belongs to the process that opened it, so a fork opens its own."""

    def __init__(self) -> None:
        self._fd = _CLOSED
        self._page_bytes = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0

    def resident_bytes(self) -> int | None:
        """Return the resident set of this process in bytes."""
        if self._fd == _UNAVAILABLE:
            return None
        try:
            if self._fd == _CLOSED:
                self._fd = os.open(_PATH, os.O_RDONLY | os.O_CLOEXEC)
            return int(os.pread(self._fd, 128, 0).split()[1]) * self._page_bytes
        except (OSError, ValueError, IndexError, AttributeError):
            return self._reopened()

    def _reopened(self) -> int | None:
        # Daemons close descriptors that they have not opened, and the number may be another file's by now:
        # it is not closed here, only opened anew, once.
        try:
            self._fd = os.open(_PATH, os.O_RDONLY | os.O_CLOEXEC)
            return int(os.pread(self._fd, 128, 0).split()[1]) * self._page_bytes
        except (OSError, ValueError, IndexError, AttributeError):
            self._fd = _UNAVAILABLE
            return None

    def forget(self) -> None:
        self._fd = _CLOSED


_statm = _Statm()


def psutil_bytes() -> int | None:
    """Return what psutil measures of this process; None without it."""
    psutil = _psutil()
    return None if psutil is None else int(psutil.Process().memory_info().rss)


resident_bytes = _statm.resident_bytes if sys.platform == "linux" else psutil_bytes
"""Return the resident set of this process in bytes; elsewhere than on Linux None where psutil is not installed."""


@lru_cache(maxsize=1)
def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        return None
    return psutil


forks.join("resident memory", in_child=_statm.forget)
