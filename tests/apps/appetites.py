"""Ways to use a known amount of memory."""

from __future__ import annotations

import mmap
import time

import numpy as np

MEGABYTE = 1024 * 1024


def python(megabytes: int) -> None:
    """Hold so much as a Python object, and let it go."""
    len(bytearray(b"x") * (megabytes * MEGABYTE))


def native(megabytes: int) -> None:
    """Let numpy hold so much, and let it go."""
    np.ones(megabytes * MEGABYTE, dtype=np.uint8)


def mapped(megabytes: int) -> None:
    """Map and touch so much, and let it go."""
    with mmap.mmap(-1, megabytes * MEGABYTE) as area:
        for _ in range(megabytes):
            area.write(b"x" * MEGABYTE)


def hold(megabytes: int, seconds: float) -> None:
    """Hold so much for so long."""
    held = b"x" * (megabytes * MEGABYTE)
    time.sleep(seconds)
    len(held)
