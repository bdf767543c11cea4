"""Where the span of a lost run is, kept for the next run of its job, whichever process that runs in.

A note is a symbolic link that leads nowhere: its text is made and read in one call each, whole or not at all.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

from jobspan.named_tuple import NamedTuple

_FOLDER = "lost"
_MOST = 1_000
_LONGEST_S = 7 * 24 * 3600
_TEXT = r"([0-9a-f]{32})-([0-9a-f]{16})-(\d{1,9})"


class LostRun(NamedTuple):
    """A run that its process took along: its span's ids in hex, and which attempt of its job it was."""

    trace_id: str
    span_id: str
    attempt: int


def note(folder: Path, job_id: str, lost: LostRun) -> None:
    """Keep which span is the lost run of a job; a job lost once more has the newest."""
    path = _path(str(folder), job_id)
    text = f"{lost.trace_id}-{lost.span_id}-{lost.attempt}"
    with suppress(OSError):
        (folder / _FOLDER).mkdir(mode=0o700, exist_ok=True)
        try:
            os.symlink(text, path)  # noqa: PTH211 - no path, a text
        except FileExistsError:
            os.unlink(path)  # noqa: PTH108 - one call
            os.symlink(text, path)  # noqa: PTH211 - one call


def take(folder: str, job_id: str) -> LostRun | None:
    """Return the lost run of a job, for one to take; None when there is none."""
    path = _path(folder, job_id)
    try:
        text = os.readlink(path)  # noqa: PTH115 - microseconds count
        os.unlink(path)  # noqa: PTH108 - one call
    except OSError:
        return None
    found = re.fullmatch(_TEXT, text)
    return LostRun(found[1], found[2], int(found[3])) if found else None


def sweep(folder: Path) -> None:
    """Remove what was not taken in a week, and the oldest past a thousand."""
    found: list[tuple[float, Path]] = []
    with suppress(OSError):
        for path in (folder / _FOLDER).iterdir():
            with suppress(OSError):
                found.append((path.lstat().st_mtime, path))
    oldest = time.time() - _LONGEST_S
    for number, (made, path) in enumerate(sorted(found, reverse=True)):
        if number >= _MOST or made < oldest:
            with suppress(OSError):
                path.unlink()


def _path(folder: str, job_id: str) -> str:
    # A job's id is any text.
    return f"{folder}/{_FOLDER}/{blake2b(job_id.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"
