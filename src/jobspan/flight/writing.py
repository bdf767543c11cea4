"""The flight file of this process: a record is written in about a microsecond and survives a SIGKILL."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import time
from collections.abc import Callable
from contextlib import suppress
from marshal import dumps
from pathlib import Path
from zlib import crc32

from jobspan.flight.layout import (
    ENDING,
    ENDING_AT,
    FILE_BYTES,
    FREE,
    FRESH,
    HEADER,
    HEADER_BYTES,
    LARGE,
    LEAVING_AT,
    LENGTH,
    LENGTH_AT,
    MAGIC,
    NEW,
    READING,
    READING_AT,
    SEEN,
    SEEN_AT,
    SENT,
    SENT_AT,
    SLOT,
    SMALL,
    STATE,
    SUFFIX,
    SUPERVISOR_BYTES,
    Area,
)
from jobspan.flight.owner import this_process
from jobspan.flight.records import FORMAT, Plain, compress, encode

_AT_ONCE = 32
_HEAD = SLOT.size
_SMALL_FITS, _LARGE_FITS = SMALL.slot_bytes - _HEAD, LARGE.slot_bytes - _HEAD
_write_fresh, _write_ending, _write_state = FRESH.pack_into, ENDING.pack_into, STATE.pack_into
_read_length = LENGTH.unpack_from

_abandoned: list[mmap.mmap] = []
"""A map closes its own copy of a descriptor: where the process has closed that, the number may be another file's."""


class FlightFile:
    """Slots that a process writes its records to.

    The file is sparse: space is asked for a few slots at a time, for a store into a file system that is full would
    kill the process. The lock on it ends with the process, however it ends. A job may close every descriptor there is,
    and the next file that it opens has its number: so the descriptor is checked before it is used.

    Args:
        folder: where it is made; this user's alone.
        supervisor: name of the file of the process that watches this one; empty: none does.
        resource: attributes of the resource of its spans, encoded.

    Raises:
        OSError: no file or no space.
    """

    def __init__(self, folder: Path, supervisor: str = "", resource: bytes = b"") -> None:
        owner = this_process()
        self.name = f"{owner.pid}-{os.urandom(6).hex()}{SUFFIX}"
        self.path = folder / self.name
        # No other process may see it before it is locked and names its owner.
        unfinished = self.path.with_suffix(NEW)
        self._fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._identity = _identity(self._fd)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(self._fd, FILE_BYTES)
            _reserve(self._fd, 0, HEADER_BYTES)
            self._map = mmap.mmap(self._fd, FILE_BYTES)
            body = supervisor.encode().ljust(SUPERVISOR_BYTES) + resource
            if len(body) > HEADER_BYTES - HEADER.size:
                body = body[:SUPERVISOR_BYTES]
            self._map[HEADER.size : HEADER.size + len(body)] = body
            boot = owner.boot.encode()
            HEADER.pack_into(
                self._map, 0, MAGIC, boot, 0, owner.namespace, owner.pid, owner.started, time.time_ns(), len(body)
            )
            unfinished.rename(self.path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            os.close(self._fd)
            raise
        self._small, self._large = _Space(self._descriptor, SMALL), _Space(self._descriptor, LARGE)

    def write(self, state: int, record: Plain, slot: list[int] | None = None) -> int | None:
        """Write a record and return its slot, to be freed; None when there is no room for it.

        ``slot`` is filled before the record can be read: an exception of another thread may keep this from returning.
        """
        try:
            data = dumps(record, FORMAT)
        except ValueError:
            data = encode(record)
        space, size = self._small, len(data)
        if size > _SMALL_FITS:
            data = compress(data)
            size = len(data)
            if size > _LARGE_FITS:
                return None
            space = self._small if size <= _SMALL_FITS else self._large
        try:
            at = space.free.pop()
        except IndexError:
            reserved = space.reserve()
            if reserved is None:
                return None
            at = reserved
        memory, begin = self._map, at + _HEAD
        memory[begin : begin + size] = data
        _write_fresh(memory, at, FREE, size, crc32(data))
        if slot is not None:
            slot.append(at)
        _write_state(memory, at, state)
        return at

    def end(self, at: int, state: int, ending: Plain) -> bool:
        """Write behind a record what it has become, and say so by its state; False when there is no room for it."""
        try:
            data = dumps(ending, FORMAT)
        except ValueError:
            data = encode(ending)
        memory, size = self._map, len(data)
        (length,) = _read_length(memory, at + LENGTH_AT)
        if length + size > (_SMALL_FITS if at < LARGE.start else _LARGE_FITS):
            return False
        begin = at + _HEAD + length
        memory[begin : begin + size] = data
        _write_ending(memory, at + ENDING_AT, size, crc32(data))
        _write_state(memory, at, state)
        return True

    def set_state(self, at: int, state: int) -> None:
        """Say of a record that it is something else now."""
        _write_state(self._map, at, state)

    def clear(self, at: int) -> None:
        """Clear a record; its slot is not yet free."""
        _write_state(self._map, at, FREE)

    def free(self, at: int) -> None:
        """Clear a record and give its slot to the next, once."""
        _write_state(self._map, at, FREE)
        (self._small if at < LARGE.start else self._large).free.append(at)

    def note(self, at: int, at_ns: int, resident_bytes: int) -> None:
        """Leave a sign of life on an open record."""
        READING.pack_into(self._map, at + READING_AT, at_ns, resident_bytes)

    def note_sent(self, at: int, times: int) -> None:
        """Say of a record by how many processes some exporter has sent it and another has not."""
        SENT.pack_into(self._map, at + SENT_AT, times)

    def seen(self, at_ns: int) -> None:
        """Leave a sign of life of the process."""
        SEEN.pack_into(self._map, SEEN_AT, at_ns)

    def say_leaving(self) -> None:
        """Say that the process leaves by itself: what it leaves open was cut off by that, not by a death."""
        _write_state(self._map, LEAVING_AT, 1)

    def leave(self) -> None:
        """Let go of it: after a fork it is the parent's, and its lock must end with the parent."""
        if _identity(self._fd) == self._identity:
            os.close(self._fd)
        else:
            _abandoned.append(self._map)

    def remove(self) -> None:
        """Remove the file: this process has nothing left that another one must recover."""
        self.path.unlink(missing_ok=True)
        self.leave()

    def _descriptor(self) -> int:
        """Return the file's descriptor, opened anew where the process has closed it.

        Raises:
            OSError: the file is gone.
        """
        if _identity(self._fd) != self._identity:
            # The map holds the lock.
            self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            _abandoned.append(self._map)
        return self._fd


class _Space:
    """The free slots of an area, the last freed first, so that few pages are ever touched."""

    def __init__(self, descriptor: Callable[[], int], area: Area) -> None:
        self._descriptor, self._slot_bytes = descriptor, area.slot_bytes
        self.free: list[int] = []
        self._step = (_AT_ONCE if area.slot_bytes < LARGE.slot_bytes else 1) * area.slot_bytes
        self._unreserved = [*reversed(range(area.start, area.end, self._step))]

    def reserve(self) -> int | None:
        """Take a slot where none is free; None when there is no room for more.

        Without a lock: another thread, or a signal handler of the host in the midst of this, takes the next space.
        """
        try:
            start = self._unreserved.pop()
        except IndexError:
            return None
        try:
            _reserve(self._descriptor(), start, self._step)
        except OSError:
            self._unreserved.append(start)
            return None
        self.free.extend(range(start + self._step - self._slot_bytes, start, -self._slot_bytes))
        return start


def _identity(fd: int) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.fstat(fd)
        return found.st_dev, found.st_ino
    return None


def _reserve(fd: int, start: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, start, size)
            return
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                raise
    os.pwrite(fd, bytes(size), start)
