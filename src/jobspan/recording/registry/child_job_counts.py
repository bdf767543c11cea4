"""How many jobs the processes of a command have published, counted where the command's own process finds it.

A file in the state folder for each command, in which each process has a place of its own. It is shared memory: what a
process has counted is still there when it is killed.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from struct import Struct

from jobspan.recording.journal.flight_log import flight_log

_SUFFIX = ".put"
_PLACE = Struct("=QQ")
"""Jobs published and failed to publish."""
_FORGOTTEN_S = 30 * 24 * 3600.0


class _Place:
    """Where one process counts."""

    def __init__(self, path: Path) -> None:
        # What is appended belongs to this process alone, and the offset is behind it then.
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(fd, bytes(_PLACE.size))
            at = os.lseek(fd, 0, os.SEEK_CUR) - _PLACE.size
            self._at = at % mmap.ALLOCATIONGRANULARITY
            self._map = mmap.mmap(fd, self._at + _PLACE.size, offset=at - self._at)
        finally:
            os.close(fd)
        # A signal handler of the host may count in the midst of a count.
        self._lock = threading.RLock()
        self._published = self._failed = 0

    def count(self, published: int, failed: int) -> None:
        with self._lock:
            self._published += published
            self._failed += failed
            _PLACE.pack_into(self._map, self._at, self._published, self._failed)


_command = _supervisor = ""
_place: _Place | None = None
_abandoned: list[_Place] = []
"""A map closes its own copy of a descriptor: where the process has closed that, the number may be another file's."""


def command_of_child(command_id: str) -> str:
    """Return whose jobs a child publishes: the command of this process, or where it is a child that one's."""
    return _command or command_id


def count_for(command_id: str, supervisor: str) -> None:
    """Be a child of a command's process from now on, which is there while its flight file is; empty: of none."""
    global _command, _supervisor, _place
    if _place is not None:
        _abandoned.append(_place)
    _command, _supervisor, _place = command_id, supervisor, None


def count(published: int, failed: int) -> None:
    """Count jobs that this child has published."""
    global _command, _place  # noqa: PLW0603 - one a process
    if not _command:
        return
    if _place is None:
        folder = flight_log.folder
        if folder is None or not (folder / _supervisor).exists():
            return
        try:
            _place = _Place(folder / f"{_command}{_SUFFIX}")
        except (OSError, ValueError):  # no room, or not in such a file system
            _command = ""
            return
    _place.count(published, failed)


def of_children(command_id: str) -> tuple[int, int]:
    """Return how many jobs the children of a command have published and failed to, and forget it."""
    folder = flight_log.folder
    if folder is None:
        return 0, 0
    path, found = folder / f"{command_id}{_SUFFIX}", b""
    with suppress(OSError):
        found = path.read_bytes()
        path.unlink()
        _sweep(folder)
    places = list(_PLACE.iter_unpack(found[: len(found) - len(found) % _PLACE.size]))
    return sum(published for published, _ in places), sum(failed for _, failed in places)


def _sweep(folder: Path) -> None:
    """Remove the counts of commands that died before they could read them."""
    for path in folder.glob(f"*{_SUFFIX}"):
        if time.time() - path.stat().st_mtime > _FORGOTTEN_S:
            path.unlink()
