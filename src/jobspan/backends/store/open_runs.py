"""Which work has started and has not ended, as far as a store knows.

A span that arrives removes its started event; an event that arrives after its span stays, so it is looked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobspan.backends.store.filters import Condition
from jobspan.backends.store.rows import key_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLOCK_SLACK_NS = 600 * 10**9
"""A span may end so long before its started event says that it began: clocks are set."""


def open_positions(cursor: DuckDBPyConnection, which: Condition) -> list[int]:
    """Return the ``rowid`` in ``started`` of what matches and has no span yet, newest start first."""
    started = cursor.execute(
        f"SELECT s.trace_hi, s.trace_lo, s.span_id, s.start_ns, s.rowid FROM started s WHERE {which.sql}"  # noqa: S608  the condition has parameters
        " ORDER BY s.start_ns DESC",
        which.parameters,
    ).fetchall()
    if not started:
        return []
    # Their ids are few: looked up among the spans that are young enough, instead of joined with all.
    ended = cursor.execute(
        "SELECT trace_hi, trace_lo, span_id FROM spans WHERE end_ns >= ? AND span_id IN (SELECT unnest(?::UBIGINT[]))",
        [started[-1][3] - _CLOCK_SLACK_NS, [row[2] for row in started]],
    ).fetchall()
    gone = set(ended)
    return [row[4] for row in started if key_of(row) not in gone]


def at_positions(positions: list[int]) -> Condition:
    """Return the condition for the rows of a table at these places."""
    return Condition("rowid IN (SELECT unnest(?::BIGINT[]))", [positions])
