"""Which rows of a store end before a moment, and letting go of them: spans, their exceptions, starts and senders."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from jobspan.server.storage.store import Store


def rows_before(connection: duckdb.DuckDBPyConnection, horizon_ns: int) -> int:
    """Return how many spans ended before a moment."""
    return int(connection.execute("SELECT count(*) FROM spans WHERE end_ns < ?", [horizon_ns]).fetchall()[0][0])


def moment_at(connection: duckdb.DuckDBPyConnection, part: float) -> int:
    """Return the moment before which about that part of the spans ended, Unix nanoseconds."""
    # The position must be a constant: DuckDB takes no parameter there.
    sql = f"SELECT approx_quantile(end_ns, {min(1.0, part):.6f}::FLOAT) FROM spans"  # noqa: S608  a number
    found = connection.execute(sql).fetchall()[0][0]
    # Where many end at one moment, it is the moment after: something must go.
    return int(found) + 1 if found is not None else 0


def delete_before(store: Store, horizon_ns: int, *, together_ns: int) -> None:
    """Remove what ended before a moment, all or nothing.

    Args:
        store: where.
        horizon_ns: Unix nanoseconds.
        together_ns: a trace with a span that ended so shortly after the horizon keeps those so shortly before it.
    """
    connection = store.connection
    connection.begin()
    try:
        connection.execute(_SPANS, [horizon_ns, horizon_ns - together_ns, horizon_ns, horizon_ns + together_ns])
        connection.execute("DELETE FROM started WHERE start_ns < ?", [horizon_ns])
        connection.execute("DELETE FROM exceptions WHERE time_ns < ?", [horizon_ns - together_ns])
        connection.commit()
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.rollback()
        raise


_SPANS = """
DELETE FROM spans s WHERE s.end_ns < ? AND (s.end_ns < ? OR NOT EXISTS (
  SELECT 1 FROM spans y WHERE y.end_ns >= ? AND y.end_ns < ? AND y.trace_lo = s.trace_lo AND y.trace_hi = s.trace_hi))
"""
