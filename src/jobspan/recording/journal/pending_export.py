"""Where the records of finished spans are until every exporter has sent them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # not on a system without file locks
    from jobspan.flight.writing import FlightFile

Slot = list[int]
"""Where a record is, and nothing when that has been given back, which whoever takes it out of here does once."""

MOST_PENDING = 1_500
"""What is open needs room, too."""
BACKLOG = 500
"""With as many more as that, all that a process can leave is in the SDK's queue of 2048."""
MOST_TIMES_SENT = 3
"""So many processes send to one exporter what another never takes: a child, the one that watched it, and the next."""


class PendingExport:
    """Finished spans that are in flight records and not known to be exported; the last 1500."""

    def __init__(self) -> None:
        self.slots: dict[int, Slot] = {}
        self.file: FlightFile | None = None
        self.exporters = 0
        self._watched: Any = None
        self._confirmed: Counter[int] = Counter()
        self._times_sent: dict[int, int] = {}
        self._failed: set[int] = set()
        self._given_up: set[int] = set()
        self._has_failed_last = False

    @property
    def is_backlogged(self) -> bool:
        """Say whether what another process may have left would find no room in the SDK's queue, or no collector.

        What one exporter has sent waits for no other, which may never work. What the last one has given up is in the
        queue no more, and counts for as long as exporters fail.
        """
        unsent = len(self.slots) - len(self._confirmed)
        return unsent - (0 if self._has_failed_last else len(self._failed)) > BACKLOG

    def was_sent(self, span_id: int, at: int, times: int) -> None:
        """Note of a span that another process had finished how many times some exporter had sent it by then."""
        if self.exporters > 1 and self.file is not None:
            self.file.note_sent(at, times)
            self._times_sent[span_id] = times

    def find_exporters(self, provider: Any) -> int:
        """Watch what the exporters send; the provider may be set after jobspan's first span."""
        if provider is not self._watched:
            from jobspan.recording.sdk.export_acks import watch_exporters

            self.exporters = watch_exporters(self._exported, provider, self._export_failed)
            # One without exporters may yet be given some.
            self._watched = provider if self.exporters else None
        return self.exporters

    def release_oldest(self) -> None:
        """Give the slot of the span that has waited for longest to the next."""
        with contextlib.suppress(RuntimeError):  # another thread has released one
            self.release(next(iter(self.slots), 0))

    def release(self, span_id: int) -> None:
        """Give the slot of a span to the next."""
        slot = self.slots.get(span_id)
        if slot is not None and self.file is not None:
            give_back(self.file, slot)
            self._forget(span_id)

    def flushed(self, finished: Collection[int]) -> None:
        """Release spans that had ended before a flush that ended well: each exporter was given what it is to have.

        A processor of the user's drops what it does not want there. What an exporter has given up waits on.
        """
        for span_id in finished:
            if span_id not in self._given_up:
                self.release(span_id)

    def forget(self) -> None:
        """Begin anew after a fork."""
        self.file, self._watched, self.exporters = None, None, 0
        self.slots.clear()
        self._confirmed.clear()
        self._times_sent.clear()
        self._failed.clear()
        self._given_up.clear()
        self._has_failed_last = False

    def _exported(self, span_ids: Collection[int]) -> None:
        file, slots, others = self.file, self.slots, self.exporters - 1
        self._has_failed_last = False
        if file is None:
            return
        if self._failed:
            self._failed.difference_update(span_ids)
        for span_id in span_ids:
            slot = slots.get(span_id)
            if slot is not None and not (others and self._is_awaited(file, span_id, slot)):
                give_back(file, slot)
                if others or self._given_up:
                    self._forget(span_id)
                else:
                    slots.pop(span_id, None)

    def _export_failed(self, span_ids: Collection[int]) -> None:
        self._has_failed_last = True
        self._given_up.update(each for each in span_ids if each in self.slots)
        self._failed.update(each for each in span_ids if each in self.slots and each not in self._confirmed)

    def _is_awaited(self, file: FlightFile, span_id: int, slot: Slot) -> bool:
        """Say whether another exporter has still to send a span, now that one of them has.

        One that never sends anything is not waited for by one process after the other, for ever.
        """
        times_sent = self._times_sent.get(span_id, 0) + 1
        self._confirmed[span_id] += 1
        if self._confirmed[span_id] >= self.exporters or times_sent >= MOST_TIMES_SENT:
            return False
        for at in slot:
            file.note_sent(at, times_sent)
        return True

    def _forget(self, span_id: int) -> None:
        self.slots.pop(span_id, None)
        self._confirmed.pop(span_id, None)
        self._times_sent.pop(span_id, None)
        self._failed.discard(span_id)
        self._given_up.discard(span_id)


def give_back(file: FlightFile, slot: Slot) -> None:
    """Free a slot, once."""
    try:
        at = slot.pop()
    except IndexError:  # another thread was faster
        return
    file.free(at)
