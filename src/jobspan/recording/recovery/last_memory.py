"""What the last reading of a flight record says of the memory of a run that was cut off."""

from __future__ import annotations

from typing import Any

from jobspan import conventions as c
from jobspan.flight.reading import LeftRecord


def memory_of(record: LeftRecord) -> dict[str, Any]:
    """Return memory at the end and the peak as attributes; none when it was not wanted, or never read."""
    start = (record.span.more or {}).get(c.JOBSPAN_JOB_MEMORY_START)
    if start is None or not record.resident_bytes:
        return {}
    return {
        c.JOBSPAN_JOB_MEMORY_END: record.resident_bytes,
        c.JOBSPAN_JOB_MEMORY_PEAK: max(start, record.resident_bytes),
        c.JOBSPAN_JOB_MEMORY_SOURCE: c.MEMORY_SAMPLED,
    }
