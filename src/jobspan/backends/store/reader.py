"""What is asked of the embedded store, answered over an open DuckDB connection.

Each question is one read-only transaction on a cursor of its own, so it sees one moment and blocks no writer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobspan.backends.base import CommandSeen, Counts, Match, RunFilter
from jobspan.backends.store import commands, counting, membership, prefixes
from jobspan.backends.store.filters import Condition, every_attempt, matching
from jobspan.backends.store.open_runs import at_positions, open_positions
from jobspan.backends.store.rows import (
    SELECTED,
    Row,
    SpanKey,
    event_from_row,
    key_of,
    open_run_from_row,
    span_from_row,
)
from jobspan.errors import BackendError
from jobspan.runs import RUNNING, Run, Span, SpanEvent, run_from_span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MATCHES = 20
"""``find`` returns at most so many ids."""


class StoreReader:
    """Answers every question of the ``Backend`` protocol from a store's connection."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self._connection = connection

    def runs(self, where: RunFilter) -> Sequence[Run]:
        """Return the runs that match, newest start first, runs in flight among them."""
        with self._snapshot() as cursor:
            ended = _rows(cursor, "spans", _ended(cursor, where), where.limit)
            positions = open_positions(cursor, matching(where))[: where.limit]
            still_open = _rows(cursor, "started", at_positions(positions), None) if positions else []
            runs = [run_from_span(span) for span in _spans(cursor, ended)]
        runs += [open_run_from_row(row) for row in still_open]
        return sorted(runs, key=lambda run: run.start_ns, reverse=True)[: where.limit]

    def counts(self, where: RunFilter) -> Counts:
        """Count over all that match."""
        with self._snapshot() as cursor:
            return counting.count(cursor, every_attempt(where))

    def commands(self, where: RunFilter) -> Sequence[CommandSeen]:
        """Return the commands that match, newest first, with what became of their jobs."""
        with self._snapshot() as cursor:
            return commands.seen(cursor, where, lambda which: _spans(cursor, _rows(cursor, "spans", which, None)))

    def find(self, prefix: str) -> Sequence[Match]:
        """Return commands, jobs and traces whose id begins with ``prefix``; at most 20."""
        with self._snapshot() as cursor:
            return membership.find(cursor, prefix, MATCHES)

    def shorten(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the shortest beginning of each id that names it."""
        with self._snapshot() as cursor:
            return prefixes.shorten(cursor, ids)

    def story(self, match: Match) -> Sequence[Span]:
        """Return all spans that belong to a command, a job or a trace, ordered by start."""
        with self._snapshot() as cursor:
            which = membership.spans_of(cursor, match)
            rows = _rows(cursor, "spans", which, None)
            spans = _spans(cursor, rows)
        return sorted(spans, key=lambda span: (span.start_ns, -span.end_ns, span.span_id))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    @contextmanager
    def _snapshot(self) -> Iterator[DuckDBPyConnection]:
        import duckdb

        try:
            with self._connection.cursor() as cursor:
                cursor.begin()
                yield cursor
                cursor.rollback()
        except duckdb.Error as error:
            raise BackendError(f"the store could not be read: {_first_line(error)}") from error


def _ended(cursor: DuckDBPyConnection, where: RunFilter) -> Condition:
    """Return the condition, over ``spans``, for the runs that a filter means.

    Hardly any span is of a run without an outcome: it is looked for in few columns, for to pass a row costs by column.
    """
    which = matching(where)
    if where.outcomes != (RUNNING,):
        return which
    found = cursor.execute(f"SELECT rowid FROM spans WHERE {which.sql}", which.parameters).fetchall()  # noqa: S608  the condition has parameters
    return at_positions([position for (position,) in found])


def _rows(cursor: DuckDBPyConnection, table: str, which: Condition, limit: int | None) -> list[Row]:
    newest = "" if limit is None else f" ORDER BY s.start_ns DESC LIMIT {int(limit)}"
    sql = (
        f"WITH s AS (SELECT * FROM {table} s WHERE {which.sql}{newest}) "  # noqa: S608  the condition has parameters
        f"SELECT {SELECTED} FROM s LEFT JOIN resources r ON r.id = s.resource"
    )
    return cursor.execute(sql, which.parameters).fetchall()


def _spans(cursor: DuckDBPyConnection, rows: list[Row]) -> list[Span]:
    filed = _filed_exceptions(cursor, rows)
    return [span_from_row(row, filed.get(key_of(row), ())) for row in rows]


def _filed_exceptions(cursor: DuckDBPyConnection, rows: list[Row]) -> dict[SpanKey, list[SpanEvent]]:
    """Return the exceptions of these spans that came as log events; one that was sent twice, once."""
    found: dict[SpanKey, list[SpanEvent]] = defaultdict(list)
    if not rows or cursor.execute("SELECT 1 FROM exceptions LIMIT 1").fetchone() is None:
        return found
    sql = (
        "SELECT DISTINCT trace_hi, trace_lo, span_id, name, time_ns, attributes FROM exceptions"
        " WHERE span_id IN (SELECT unnest(?::UBIGINT[])) ORDER BY time_ns"
    )
    for row in cursor.execute(sql, [list({row[2] for row in rows})]).fetchall():
        found[key_of(row)].append(event_from_row(*row[3:]))
    return found


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
