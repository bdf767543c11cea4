"""What one OTLP request brings for the store, and what its sender says that it could not record."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobspan.backends.store.rows import Row
from jobspan.named_tuple import NamedTuple


class DropPoint(NamedTuple):
    """A sender's count of one reason, since its own start or since its point before."""

    sender: str
    reason: str
    events: int
    since_ns: int
    is_delta: bool


@dataclass(slots=True)
class Batch:
    """What one request brings. Rows of ``spans`` and ``started`` end with the text of their resource.

    Attributes:
        rejected: how many spans or log records cannot be.
        reason: why, for the first of them.
        dropped: metric points or log records that are not ours to keep.
        drops: what the sender says that it could not record.
    """

    spans: list[Row] = field(default_factory=list)
    started: list[Row] = field(default_factory=list)
    exceptions: list[Row] = field(default_factory=list)
    rejected: int = 0
    reason: str = ""
    dropped: int = 0
    drops: list[DropPoint] = field(default_factory=list)

    def reject(self, reason: str) -> None:
        """Count one that cannot be; the others are kept."""
        self.rejected += 1
        self.reason = self.reason or reason

    @property
    def rows(self) -> int:
        """How many rows it brings."""
        return len(self.spans) + len(self.started) + len(self.exceptions)
