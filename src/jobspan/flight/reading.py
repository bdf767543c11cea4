"""Flight files read by another process: the supervisor of their owner, or the next that uses the folder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from jobspan.flight.layout import (
    FILE_BYTES,
    FINISHED,
    FREE,
    HEADER,
    HEADER_BYTES,
    LARGE,
    MAGIC,
    NEW,
    OPEN,
    SLOT,
    SMALL,
    STATE,
    SUFFIX,
    SUPERVISOR_BYTES,
)
from jobspan.flight.owner import Owner, this_process
from jobspan.flight.records import Ending, SpanRecord, decode, decode_ending, decode_mapping
from jobspan.named_tuple import NamedTuple

_MAKING_S = 60.0
_UNTOLD_S = 7 * 24 * 3600.0


class LeftRecord(NamedTuple):
    """A record that a process left: its place and state, its last sign of life (Unix ns, 0: none) and memory then.

    ``times_sent``: by so many processes some exporter has sent it, and another has not.
    """

    at: int
    state: int
    span: SpanRecord
    seen_ns: int
    resident_bytes: int
    times_sent: int = 0


class FlightContents(NamedTuple):
    """What a dead process left behind.

    ``is_leaving``: it left by itself. ``unreadable`` counts the records that make no sense.
    """

    owner: Owner
    resource: dict[str, Any]
    seen_ns: int
    is_leaving: bool
    records: list[LeftRecord]
    unreadable: int = 0


class NotOurs(ValueError):
    """The file is of another version, or no flight file at all."""


def of_process(folder: Path, pid: int, supervisor: str) -> Iterator[Path]:
    """Yield the flight files of a process that this supervisor watched."""
    for path in folder.glob(f"{pid}-*{SUFFIX}"):
        if _supervisor_of(path) == supervisor:
            yield path


def supervised_by(folder: Path, supervisor: str) -> Iterator[Path]:
    """Yield the flight files of all processes that this supervisor watches or watched."""
    for path in folder.glob(f"*{SUFFIX}"):
        if _supervisor_of(path) == supervisor:
            yield path


def orphans(folder: Path) -> Iterator[Path]:
    """Yield the flight files of processes that have ended together with their supervisors."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        supervisor = _supervisor_of(path)
        if is_orphaned(path) and (not supervisor or is_orphaned(folder / supervisor)):
            yield path


def sweep(folder: Path) -> None:
    """Remove the files whose processes died before they had finished making them."""
    for path in folder.glob(f"*{NEW}"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _MAKING_S:
                path.unlink()


def forget_old(folder: Path) -> None:
    """Remove what was not recovered in a week."""
    for path in orphans(folder):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _UNTOLD_S:
                path.unlink()


@contextmanager
def taken(path: Path, *, is_watched: bool = False) -> Iterator[FlightContents | None]:
    """Give what is in a file, and remove it at the end; None when another process has taken it.

    The process that takes it may die before all is recovered: then it is there for the next.

    Args:
        path: the file of a process that has ended.
        is_watched: only we may take it, even if its lock is held yet: by a process that its job has started.

    Raises:
        NotOurs: it is removed all the same.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield None
        return
    with closing(os.fdopen(fd, "rb", buffering=0)) as file:
        if not (_locked(file.fileno()) or is_watched) or not os.fstat(file.fileno()).st_nlink:
            yield None
            return
        try:
            yield _read(file.fileno())
        finally:
            path.unlink(missing_ok=True)


def take(path: Path) -> FlightContents | None:
    """Read a file and remove it; None when another process has taken it.

    Raises:
        NotOurs: it is removed all the same.
    """
    with taken(path) as contents:
        return contents


def peek(path: Path) -> FlightContents | None:
    """Read the file of a living process; None when there is none, or it makes no sense."""
    try:
        with path.open("rb", buffering=0) as file:
            return _read(file.fileno())
    except (OSError, NotOurs):
        return None


def open_spans_supervised_by(folder: Path, supervisor: str) -> Iterator[SpanRecord]:
    """Yield the spans that are open in the living processes that this supervisor watches."""
    for path in supervised_by(folder, supervisor):
        if not is_orphaned(path):
            yield from _open_spans(path)


def clear(path: Path, left: LeftRecord) -> None:
    """Take a record that a living process has left to us."""
    with suppress(OSError), path.open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), STATE.pack(FREE), left.at)


def _open_spans(path: Path) -> Iterator[SpanRecord]:
    with suppress(OSError), path.open("rb", buffering=0) as file:
        for at, raw in _slots(file.fileno()):
            found = _record(at, raw) if SLOT.unpack_from(raw)[0] == OPEN else None
            if found is not None:
                yield found.span


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(fd: int) -> FlightContents:
    head = os.pread(fd, HEADER_BYTES, 0)
    if len(head) < HEADER.size or os.fstat(fd).st_size != FILE_BYTES:
        raise NotOurs("no header")
    magic, boot, leaving, namespace, pid, started, seen_ns, length = HEADER.unpack_from(head)
    if magic != MAGIC or length > HEADER_BYTES - HEADER.size:
        raise NotOurs("another version")
    body = head[HEADER.size : HEADER.size + length]
    owner = Owner(boot.rstrip(b"\0").decode("ascii", "replace"), namespace, pid, started)
    left: dict[int, LeftRecord] = {}
    unreadable = 0
    for at, raw in _slots(fd):
        found = _record(at, raw)
        if found is None:
            unreadable += 1
        elif found.span.span_id not in left or found.state == FINISHED:
            # A process that dies between two stores has left both: what is finished is finished.
            left[found.span.span_id] = found
    resource = decode_mapping(body[SUPERVISOR_BYTES:])
    return FlightContents(owner, resource, seen_ns, bool(leaving), list(left.values()), unreadable)


def _slots(fd: int) -> Iterator[tuple[int, bytes]]:
    for area in (SMALL, LARGE):
        at = area.start
        while at < area.end:
            # Space that was never reserved is a hole in the file.
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            at -= (at - area.start) % area.slot_bytes
            if at >= area.end:
                break
            raw = os.pread(fd, area.slot_bytes, at)
            if len(raw) >= SLOT.size and SLOT.unpack_from(raw)[0] != FREE:
                yield at, raw
            at += area.slot_bytes


def _record(at: int, raw: bytes) -> LeftRecord | None:
    state, length, checksum, end_length, end_checksum, times_sent, seen_ns, resident = SLOT.unpack_from(raw)
    data, rest = raw[SLOT.size : SLOT.size + length], raw[SLOT.size + length :]
    if state > FINISHED or len(data) != length or crc32(data) != checksum:
        return None
    span = decode(data)
    if span is None:
        return None
    if end_length and state != OPEN:
        ending = _ending(rest[:end_length], end_checksum)
        if ending is not None:
            span = span.ended(ending)
        elif state == FINISHED:
            state = OPEN  # its process died while it wrote the end for a second time
    return LeftRecord(at, state, span, seen_ns, resident, times_sent)


def _ending(data: bytes, checksum: int) -> Ending | None:
    return decode_ending(data) if crc32(data) == checksum else None


def _supervisor_of(path: Path) -> str:
    head = _head(path)
    return head[HEADER.size : HEADER.size + SUPERVISOR_BYTES].rstrip(b" \0").decode("ascii", "replace") if head else ""


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(HEADER.size + SUPERVISOR_BYTES)
    except OSError:
        return b""
    return head if head[: len(MAGIC)] == MAGIC else b""


def is_orphaned(path: Path) -> bool:
    """Say whether the process of a file has ended: its lock is gone, and so is its pid where that can be seen."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    head = _head(path)
    if not head:
        return True
    _, boot, _, namespace, pid, started, *_ = HEADER.unpack_from(head)
    owner = Owner(boot.rstrip(b"\0").decode("ascii", "replace"), namespace, pid, started)
    # In another pid namespace only the lock can be seen.
    return owner.is_gone or owner.namespace != this_process().namespace
