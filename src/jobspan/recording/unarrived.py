"""Where the records of finished spans are until every exporter has sent them."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # not on a system without file locks
    from jobspan.flight.writing import FlightFile

Slot = list[int]
"""Where a record is, and nothing when that has been given back, which whoever takes it out of here does once."""

MOST_UNARRIVED = 1_500
"""What is open needs room, too."""
MUCH_UNARRIVED = 500
"""With as many more as that, all that a process can leave is in the SDK's queue of 2048."""


class Unarrived:
    """Finished spans that no one but their flight records would tell of; the last 1500."""

    def __init__(self) -> None:
        self.slots: dict[int, Slot] = {}
        self.file: FlightFile | None = None
        self.exporters = 0
        self._asked: Any = None
        self._confirmed: Counter[int] = Counter()

    def find_exporters(self, provider: Any) -> int:
        """Have the exporters tell what arrives; the provider may be set after our first span."""
        if provider is not self._asked:
            from jobspan.recording.sdk.confirmations import confirm_to

            self.exporters = confirm_to(self._arrived, provider)
            # One without exporters may yet be given some.
            self._asked = provider if self.exporters else None
        return self.exporters

    def let_go_of_the_oldest(self) -> None:
        """Give the slot of the span that has waited for longest to the next."""
        with contextlib.suppress(RuntimeError):  # another thread has let go of one
            self.let_go(next(iter(self.slots), 0))

    def let_go(self, span_id: int) -> None:
        """Give the slot of a span to the next."""
        slot = self.slots.get(span_id)
        if slot is not None and self.file is not None:
            give_back(self.file, slot)
            self.slots.pop(span_id, None)
            self._confirmed.pop(span_id, None)

    def forget(self) -> None:
        """Begin anew after a fork."""
        self.file, self._asked, self.exporters = None, None, 0
        self.slots.clear()
        self._confirmed.clear()

    def _arrived(self, span_ids: Iterable[int]) -> None:
        file, slots, others = self.file, self.slots, self.exporters - 1
        if file is None:
            return
        for span_id in span_ids:
            slot = slots.get(span_id)
            if slot is not None and not (others and self._is_awaited(span_id)):
                give_back(file, slot)
                slots.pop(span_id, None)

    def _is_awaited(self, span_id: int) -> bool:
        """Say whether another exporter has still to send a span, now that one of them has."""
        self._confirmed[span_id] += 1
        is_awaited = self._confirmed[span_id] < self.exporters
        if not is_awaited:
            self._confirmed.pop(span_id, None)
        return is_awaited


def give_back(file: FlightFile, slot: Slot) -> None:
    """Free a slot, once."""
    try:
        at = slot.pop()
    except IndexError:  # another thread was faster
        return
    file.free(at)
