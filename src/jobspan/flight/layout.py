"""How a flight file is laid out: a header, then slots of two sizes, a record each.

A record is valid the moment its state is stored, which is done last: a process killed while it writes leaves a free
slot. A foreign or damaged file fails the checksum. What a span has become at its end is written behind what it was at
its beginning, into the same slot.
"""

from __future__ import annotations

from struct import Struct

from jobspan.named_tuple import NamedTuple

MAGIC = b"jobspan-flight-2"
SUFFIX, NEW = ".flight", ".new"

HEADER = Struct("=16s36sIQQQQI")
"""Magic, boot id, 1 when leaving, pid namespace, pid, start ticks, last sign of life in Unix ns, length of the rest."""
HEADER_BYTES = 4096
SUPERVISOR_BYTES = 64
"""After the header: the name of the file of the process that watches this one; then the resource of its spans."""
LEAVING_AT = Struct("=16s36s").size
SEEN = Struct("=Q")
SEEN_AT = Struct("=16s36sIQQQ").size

FREE, OPEN, UNWINDING, FINISHED = range(4)
SLOT = Struct("=IIIIIIQQ")
"""State, length and checksum, those of the end, by how many processes some exporter has sent it and another has not,
last sign of life in Unix ns, resident bytes at that time."""
FRESH = Struct(f"=III{SLOT.size - 12}x")
"""The same of a record that has no more yet."""
STATE = Struct("=I")
LENGTH = Struct("=I")
LENGTH_AT = 4
ENDING = Struct("=II")
ENDING_AT = 12
SENT = Struct("=I")
SENT_AT = 20
READING = Struct("=QQ")
READING_AT = 24


class Area(NamedTuple):
    """Slots of one size, one after the other."""

    start: int
    slot_bytes: int
    slots: int

    @property
    def end(self) -> int:
        """Return where the next area starts."""
        return self.start + self.slot_bytes * self.slots


SMALL = Area(HEADER_BYTES, 2048, 2048)
LARGE = Area(SMALL.end, 32 * 1024, 64)
FILE_BYTES = LARGE.end
