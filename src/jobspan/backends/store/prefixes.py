"""The shortest beginnings of ids that still name one thing in a store.

To compare with every id would be to read them all. An id is compared with those asked for beside it and with those of
the newest spans; the more the store keeps beyond them, the longer it stays, so that a second one that begins alike is
unlikely there. Where there is one all the same, ``find`` answers with both.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log
from string import hexdigits
from typing import TYPE_CHECKING

from jobspan.backends.ids import SHORTEST, cut

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


_NEWEST_SPANS = 200_000
_UNLIKELY = 64
"""One id in so many may have a namesake among the older spans."""

_HEAD_BITS = 4 * SHORTEST
_TRACE_HALF_BITS = 64


def shorten(cursor: DuckDBPyConnection, ids: Sequence[str]) -> dict[str, str]:
    """Return the short form of each id, at least ``SHORTEST`` characters; whole where nothing shorter is unique."""
    (spans,) = cursor.execute("SELECT count(*) FROM spans").fetchall()[0]
    (since_ns,) = cursor.execute(_SINCE, [spans - _NEWEST_SPANS]).fetchall()[0]
    at_least = least_length(spans)
    traces = [int(full[:SHORTEST], 16) for full in ids if all(digit in hexdigits for digit in full[:SHORTEST])]
    rows = cursor.execute(_NEIGHBOURS, [list(ids), since_ns, since_ns, since_ns, traces]).fetchall()
    return {full: cut(full, [other for other in beside if other], at_least) for full, *beside in rows}


def least_length(spans: int) -> int:
    """Return how many hex digits distinguish an id from those of so many spans, in all likelihood."""
    return max(SHORTEST, ceil(log(spans * _UNLIKELY or 1, 16)))


_SINCE = f"""
SELECT coalesce(min(end_ns), 0) FROM spans
WHERE rowid >= (SELECT max(rowid) FROM spans WHERE rowid >= ?) - {_NEWEST_SPANS}
"""  # noqa: S608  a number
"""The last position is not before the number of spans: it is looked for from there on."""

_NEIGHBOURS = f"""
WITH shown AS MATERIALIZED (SELECT DISTINCT unnest(?::VARCHAR[]) AS id),
heads AS MATERIALIZED (SELECT DISTINCT substr(id, 1, {SHORTEST}) AS head FROM shown),
near AS (
  SELECT id FROM shown
  UNION SELECT command_id FROM spans WHERE end_ns >= ? AND substr(command_id, 1, {SHORTEST}) IN (FROM heads)
  UNION SELECT job_id FROM spans
    WHERE end_ns >= ? AND framework IS NOT NULL AND substr(job_id, 1, {SHORTEST}) IN (FROM heads)
  UNION SELECT format('{{:016x}}{{:016x}}', trace_hi, trace_lo) FROM spans
    WHERE end_ns >= ? AND trace_hi >> {_TRACE_HALF_BITS - _HEAD_BITS} IN (SELECT unnest(?::UBIGINT[]))
  UNION SELECT id FROM (
    SELECT unnest([command_id, job_id, format('{{:016x}}{{:016x}}', trace_hi, trace_lo)]) AS id FROM started
  ) WHERE id IS NOT NULL)
SELECT id, lag(id) OVER (ORDER BY id) AS before, lead(id) OVER (ORDER BY id) AS after
FROM near QUALIFY id IN (SELECT id FROM shown)
"""  # noqa: S608  numbers
"""What two ids share, one shares with its neighbours in order."""
