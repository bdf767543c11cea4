"""Resident memory, read as fast as can be."""

from __future__ import annotations

import os

_FILE = os.open("/proc/self/statm", os.O_RDONLY)
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Return what this process has resident."""
    return int(os.pread(_FILE, 128, 0).split()[1]) * _PAGE
