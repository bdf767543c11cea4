"""Spans of this process into its flight file: what is open, and what is finished but not exported yet.

One a process, for all recorders. A span is written before the SDK has it and cleared when every exporter has sent it,
so whatever moment the process dies at, whoever reads its file can export what it could not.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from opentelemetry.trace import Span, get_tracer_provider

from jobspan import forks
from jobspan.probes.memory import resident_bytes
from jobspan.recording.journal.pending_export import MOST_PENDING, PendingExport, Slot, give_back
from jobspan.recording.safety import dropped
from jobspan.recording.sdk.flush import last, share_the_deadline, watch
from jobspan.recording.sdk.pipeline import leads_somewhere

_IS_POSSIBLE = True
try:
    from jobspan.flight import lost_runs
    from jobspan.flight.folder import default_folder, private_folder, private_place
    from jobspan.flight.layout import FINISHED, OPEN, UNWINDING
    from jobspan.flight.lost_runs import LostRun
    from jobspan.flight.records import Plain, SpanRecord, cut, encode_mapping
    from jobspan.flight.writing import FlightFile
    from jobspan.recording.sdk.span_records import ending_of, record_of, resource_of
except ImportError:  # no file locks: not a POSIX system
    _IS_POSSIBLE = False

_logger = logging.getLogger("jobspan.flight")

SUPERVISOR = "_JOBSPAN_SUPERVISOR"
"""Environment variable by which a worker's main process says to its children that it watches them: its file's name."""

_SHORTER = (2_000, 200)
"""Characters that are kept of each text of a span that there is no room for."""


_SPAN_ID = 1
_NOWHERE: Slot = []
_ENDED: Any = ()
"""In place of the record of a span that is kept as a finished one, and is about to be ended."""


class FlightLog:
    """The spans that a process would lose by dying, kept in a file that survives it."""

    def __init__(self) -> None:
        self._wanted = Path()
        self._is_off = True
        self._file: FlightFile | None = None
        self._is_watched = False
        self._opening, self._is_opening = threading.RLock(), False
        self._provider: Any = None
        self._open: dict[Span, tuple[Slot, Plain]] = {}
        self._left_out: set[int] = set()
        self._pending = PendingExport()
        self._has_unwound = False
        self._when_unwatched: Callable[[Path], None] | None = None

    def configure(self, state_dir: str, provider: Any = None) -> None:
        """Say where files go: a path, empty for the default, or ``off``."""
        self._is_off = state_dir == "off" or not _IS_POSSIBLE
        self._provider = provider
        if self._is_off:
            return
        try:
            # A worker may change its folder later, and its children must find the same.
            folder = Path(state_dir).expanduser() if state_dir else default_folder()
            self._wanted = private_place(folder.absolute())
        except (OSError, RuntimeError) as error:  # the user has no home, or the working folder is gone
            self._give_up(error)

    def when_unwatched(self, step: Callable[[Path], None]) -> None:
        """Do this when this process opens a file that no supervisor watches: then it recovers orphans itself."""
        self._when_unwatched = step

    @property
    def is_on(self) -> bool:
        """Say whether spans are kept, as far as there is a place for them."""
        return not self._is_off

    @property
    def has_exporter(self) -> bool:
        """Say whether an exporter takes the spans of this process."""
        return leads_somewhere(self._provider or get_tracer_provider())

    @property
    def folder(self) -> Path | None:
        """Return the folder, made where it was missing; None when there is none to be had."""
        if self._is_off:
            return None
        try:
            return private_folder(self._wanted)
        except OSError as error:
            self._give_up(error)
            return None

    @property
    def has_neighbours(self) -> bool:
        """Say whether there is more in the folder than this process's own file."""
        try:
            return any(path.name != self.name for path in self._wanted.iterdir())
        except OSError:
            return False

    @property
    def name(self) -> str | None:
        """Return the name of this process's file; None while it has none."""
        return self._file.name if self._file is not None else None

    @property
    def has_much_to_send(self) -> bool:
        """Say whether what another process may have left would find no room in the SDK's queue, or no collector."""
        return self._pending.is_backlogged

    def flush_begins(self) -> Callable[[], None]:
        """Return what is to be done when a flush of the global provider's spans that begins now has ended well."""
        is_ours = self._provider in (None, get_tracer_provider())
        kept = set(self._pending.slots if is_ours else ())
        # Another thread may be about to end one, and then the flush has missed it.
        kept.difference_update(map(_id_of, list(self._open)))
        return partial(self._pending.flushed, kept)

    def open(self, span: Any = None, *, supervisor: str | None = None) -> FlightFile | None:
        """Return this process's file, made where it was missing; None when there is none to be had."""
        if self._file is not None or self._is_off:
            return self._file
        with self._opening:
            if self._is_opening:
                return None  # a signal handler of the application interrupted it
            self._is_opening = True
            try:
                return self._opened(span, supervisor)
            finally:
                self._is_opening = False

    def _opened(self, span: Any, supervisor: str | None) -> FlightFile | None:
        folder = self.folder
        if self._file is not None or folder is None:
            return self._file  # another thread was faster, or there is none to be had
        resource = encode_mapping(resource_of(span)) if span is not None else b""
        watched_by = os.environ.get(SUPERVISOR, "") if supervisor is None else supervisor
        if watched_by and supervisor is None:
            share_the_deadline()
        self._is_watched = bool(watched_by)
        try:
            self._file = self._pending.file = FlightFile(folder, watched_by, resource)
        except OSError as error:
            self._give_up(error)
            return None
        if not watched_by and self._when_unwatched is not None:
            self._when_unwatched(folder)
        return self._file

    def record_open(self, span: Span, more: dict[str, Any], *, is_safe: bool) -> None:
        """Keep a span that has just begun, with the attributes that are added if it is recovered."""
        if self._is_off or span in self._open:
            return
        record, file = record_of(span, None, more, is_safe), self._file
        if file is None and span.get_span_context().trace_flags.sampled:
            if not self.has_exporter:
                return  # a process that recovered it would have no exporter either
            file = self.open(span)
        if record is not None and file is not None:
            slot: Slot = []
            # Remembered before it is written: an exception of another thread may land between any two lines.
            self._open[span] = slot, record
            if file.write(OPEN, record, slot) or _write_cut(file, OPEN, record, slot):
                return
            self._open.pop(span, None)
        if span.get_span_context().trace_flags.sampled:
            self.exclude(span)

    def exclude(self, span: Span) -> None:
        """Note that a run's span is not kept, so that no other process can know of it."""
        self._left_out.add(_id_of(span))

    def began_inside(self, span: Span) -> None:
        """Keep a span that has just begun in a process that runs jobs; others have no file, and need none for it."""
        if self._file is not None:
            self.record_open(span, {}, is_safe=False)

    def record_finished(self, span: Span, end_ns: int, times_sent: int = 0) -> None:
        """Keep a span that is about to be ended, with all it holds, until it is exported.

        ``times_sent``: by so many processes before this one some exporter has sent it, and another has not.
        """
        file, pending = self._file, self._pending
        if file is None or not (pending.exporters or pending.find_exporters(self._provider or get_tracer_provider())):
            return
        if len(pending.slots) >= MOST_PENDING:
            pending.release_oldest()
        begun = self._open.get(span)
        if begun is not None and begun[0] and begun[1] is not _ENDED and begun[1][_SPAN_ID] not in pending.slots:
            slot, record = begun
            ending = ending_of(span, end_ns, record)
            if ending is not None and file.end(slot[0], FINISHED, ending):
                pending.slots[record[_SPAN_ID]] = slot
                self._open[span] = _NOWHERE, _ENDED
                return
        self._finished_alone(file, span, end_ns, times_sent)

    def _finished_alone(self, file: FlightFile, span: Span, end_ns: int, times_sent: int) -> None:
        """Keep a finished span in a record of its own."""
        record = record_of(span, end_ns)
        if record is None:
            return
        span_id = record[_SPAN_ID]
        if span_id in self._pending.slots:  # an interrupt came when it was kept already, and now it ends for good
            self._pending.release(span_id)
        begun, _ = self._open.get(span) or (_NOWHERE, _ENDED)
        self._open[span] = begun, _ENDED
        slot = self._pending.slots[span_id] = []
        at = file.write(FINISHED, record, slot) or _write_cut(file, FINISHED, record, slot)
        if at is None:
            self._pending.slots.pop(span_id, None)
        elif times_sent:
            self._pending.was_sent(span_id, at, times_sent)

    def clear(self, span: Span) -> None:
        """Clear the record of an open span that has been ended."""
        if self._left_out:
            self._left_out.discard(_id_of(span))
        begun = self._open.get(span)
        if begun is None or self._file is None:
            return
        slot, _ = begun
        if slot and self._pending.slots.get(_id_of(span)) is not slot:
            # An interrupt between any two lines makes this be called again, and then it is clear already.
            for at in slot:
                self._file.clear(at)
            give_back(self._file, slot)
        self._open.pop(span, None)

    def is_kept(self, span: Span) -> bool:
        """Say whether a run's span is, or is about to be, in a file that this process's supervisor can read."""
        context = span.get_span_context()
        if self._is_off or not context.trace_flags.sampled or context.span_id in self._left_out:
            return False
        return self._is_watched if self._file is not None else SUPERVISOR in os.environ and self.has_exporter

    def unwinding(self, span: Span, end_ns: int | None = None) -> None:
        """Say of an open span that this process will not end it: its supervisor knows how it ended.

        ``end_ns`` is when it ended all the same, with all that it holds by then.
        """
        self._left_out.discard(_id_of(span))
        (slot, _), file = self._open.pop(span, (_NOWHERE, _ENDED)), self._file
        if not slot or file is None:
            return
        (at,) = slot
        record = record_of(span, end_ns) if end_ns is not None else None
        ended = None
        if record is not None:
            ended = file.write(UNWINDING, record) or _write_cut(file, UNWINDING, record)
        if ended is not None:
            file.free(at)
        else:
            file.set_state(at, UNWINDING)
        file.note(ended or at, time.time_ns(), resident_bytes() or 0)
        self._has_unwound = True

    def leaving(self) -> None:
        """Say that this process leaves by itself: open spans are cut off by that."""
        if self._file is not None:
            self._file.say_leaving()

    def lost_run_of(self, job_id: str | None) -> LostRun | None:
        """Take the note of which span is the lost run of a job; None when there is none."""
        return None if self._is_off or job_id is None else lost_runs.take(str(self._wanted), job_id)

    def heartbeat(self, at_ns: int, resident_bytes: int) -> None:
        """Leave a sign of life on all open records."""
        file = self._file
        if file is not None:
            for slot, _ in list(self._open.values()):
                for at in slot:
                    file.note(at, at_ns, resident_bytes)
            file.seen(at_ns)

    def close(self) -> None:
        """Take the file away when this process leaves nothing missing."""
        file = self._file
        if file is not None and not self._open and not self._pending.slots and not self._has_unwound:
            self._file = self._pending.file = None
            file.remove()

    def forget(self) -> None:
        """Begin anew after a fork: the file and what is in it are the parent's."""
        file, self._file = self._file, None
        if file is not None and os.environ.get(SUPERVISOR) == file.name and not self.has_exporter:
            # An SDK that only the children set up: what the parent recovered would go nowhere.
            del os.environ[SUPERVISOR]
        self._opening, self._is_opening = threading.RLock(), False
        self._open.clear()
        self._left_out.clear()
        self._pending.forget()
        self._has_unwound = False
        if file is not None:
            with contextlib.suppress(OSError):
                file.leave()

    def _give_up(self, error: Exception) -> None:
        self._is_off = True
        _logger.warning("no flight record, so the runs of killed processes are not reported: %s", error)


def _id_of(span: Span) -> int:
    return span.get_span_context().span_id


def _write_cut(file: FlightFile, state: int, record: Plain, slot: Slot | None = None) -> int | None:
    """Write a record that there is no room for with its texts cut."""
    for longest in _SHORTER:
        at = file.write(state, cut(SpanRecord(*record), longest), slot)
        if at is not None:
            return at
    dropped.count(dropped.FLIGHT_FULL, "no room in the flight file: this span is lost if its process dies")
    return None


flight_log = FlightLog()
last(flight_log.close)
watch(flight_log.flush_begins)

forks.join("flight log", in_child=flight_log.forget)
