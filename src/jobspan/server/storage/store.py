"""The embedded store, opened for writing: what is new of many requests, in one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from jobspan.backends.store.file import StoreIsLocked, unopened
from jobspan.backends.store.rows import Row, SpanKey, key_of
from jobspan.backends.store.schema import COLUMNS, CONTENT_COLUMNS, EXCEPTION_COLUMNS, HEADS, create
from jobspan.errors import BackendError, UsageError
from jobspan.server.storage.batch import Batch

_CONFLICT_WINDOW_NS = 600 * 10**9
"""Spans with one id are looked for among those that ended within ten minutes of the batch's."""

_CONTENT = len(CONTENT_COLUMNS)
_END = [name for name, _ in CONTENT_COLUMNS].index("end_ns")
_ARROW = {"VARCHAR": pa.string(), "BIGINT": pa.int64(), "UBIGINT": pa.uint64(), "DOUBLE": pa.float64()}
_ARROW["BOOLEAN"] = pa.bool_()


class Store:
    """The one writer of a store's file.

    Raises:
        UsageError: the file cannot be made, is held by another process, or is no store of jobspan.
    """

    def __init__(self, path: Path) -> None:
        self.connection = _open(path)
        self._resources = self._read_resources()
        self._counters: dict[str, int] = dict(self.connection.execute("SELECT name, value FROM counters").fetchall())

    def count_spans(self) -> int:
        """Return how many spans are kept."""
        return int(self.connection.cursor().execute("SELECT count(*) FROM spans").fetchall()[0][0])

    @property
    def duplicates(self) -> int:
        """How many spans were sent again with equal content, ever."""
        return self._counters.get("duplicates", 0)

    @property
    def conflicts(self) -> int:
        """How many spans were kept although another one with the same id and different content was there, ever."""
        return self._counters.get("conflicts", 0)

    def add(self, batches: Sequence[Batch]) -> None:
        """Keep what is new, all or nothing; durable when this returns.

        Raises:
            duckdb.Error: nothing was kept.
        """
        known = dict(self._resources)
        counted = dict(self._counters)
        self.connection.begin()
        try:
            self._add(batches)
            self.connection.commit()
        except BaseException:
            self._resources, self._counters = known, counted
            # A commit that failed may have rolled back by itself; what matters is why it failed.
            with contextlib.suppress(duckdb.Error):
                self.connection.rollback()
            raise

    def delete_unused_resources(self) -> None:
        """Delete the resources whose spans are all deleted."""
        self.connection.execute(_DELETE_UNUSED_RESOURCES)
        self._resources = self._read_resources()

    def close(self) -> None:
        """Write everything into the one file and close it."""
        self.connection.execute("CHECKPOINT")
        self.connection.close()

    def _read_resources(self) -> dict[str | None, int]:
        return dict(self.connection.execute("SELECT attributes, id FROM resources").fetchall())

    def _add(self, batches: Sequence[Batch]) -> None:
        spans = self._with_resources(row for batch in batches for row in batch.spans)
        started = self._with_resources(row for batch in batches for row in batch.started)
        if spans:
            self._add_spans(spans)
        if started:
            new, _ = _split_known(started, self._same_ids("started", started, 0))
            self._insert("started", COLUMNS, new, made=_HEADS)
        self._insert("exceptions", EXCEPTION_COLUMNS, [row for batch in batches for row in batch.exceptions])

    def _add_spans(self, spans: list[Row]) -> None:
        new, conflicts = _split_known(spans, self._same_ids("spans", spans, _CONFLICT_WINDOW_NS))
        self._insert("spans", COLUMNS, new, made=_HEADS)
        self._count(duplicates=len(spans) - len(new), conflicts=conflicts)
        self.connection.execute(_DELETE_STARTED)

    def _same_ids(self, table: str, rows: list[Row], window_ns: int) -> list[Row]:
        """Return the content of the rows that are there already under the ids of these.

        Wide rows are read only for the few that match: first their positions, by id alone.
        """
        ids = pa.table(list(zip(*map(key_of, rows), strict=True)), schema=_schema(COLUMNS[:3]))
        # Scanned from Arrow itself, DuckDB before 2.0 pushes filters into it that fail on ids of 2^63 and more.
        self.connection.register("arriving_rows", ids)
        self.connection.execute("CREATE OR REPLACE TEMP TABLE arriving AS SELECT * FROM arriving_rows")
        self.connection.unregister("arriving_rows")
        ends = [row[_END] for row in rows]
        found = self.connection.execute(
            f"SELECT s.rowid FROM {table} s WHERE s.end_ns BETWEEN ? AND ? "  # noqa: S608  a table of ours
            f"AND EXISTS (SELECT 1 FROM arriving a WHERE {_SAME_IDS})",
            [min(ends) - window_ns, max(ends) + window_ns],
        ).fetchall()
        if not found:
            return []
        return self.connection.execute(
            f"SELECT {_CONTENT_NAMES} FROM {table} WHERE rowid IN (SELECT unnest(?::BIGINT[]))",  # noqa: S608
            [[position for (position,) in found]],
        ).fetchall()

    def _with_resources(self, rows: Iterable[Row]) -> list[Row]:
        return [(*row[:-1], self._resource(row[-1])) for row in rows]

    def _resource(self, text: str | None) -> int:
        number = self._resources.get(text)
        if number is None:
            number = self._resources[text] = max(self._resources.values(), default=0) + 1
            self.connection.execute("INSERT INTO resources VALUES (?, ?)", [number, text])
        return number

    def _insert(self, table: str, columns: tuple[tuple[str, str], ...], rows: list[Row], *, made: str = "") -> None:
        if not rows:
            return
        self.connection.register("new_rows", pa.table(list(zip(*rows, strict=True)), schema=_schema(columns)))
        self.connection.execute(f"INSERT INTO {table} SELECT *{made} FROM new_rows")  # noqa: S608  a table of ours
        self.connection.unregister("new_rows")

    def _count(self, **more: int) -> None:
        for name, number in more.items():
            if number:
                self._counters[name] = self._counters.get(name, 0) + number
                self.connection.execute("DELETE FROM counters WHERE name = ?", [name])
                self.connection.execute("INSERT INTO counters VALUES (?, ?)", [name, self._counters[name]])


_SAME_IDS = "a.span_id = s.span_id AND a.trace_lo = s.trace_lo AND a.trace_hi = s.trace_hi"
_DELETE_STARTED = f"DELETE FROM started s USING arriving a WHERE {_SAME_IDS}"  # noqa: S608  constants
_DELETE_UNUSED_RESOURCES = """
DELETE FROM resources WHERE id NOT IN (SELECT resource FROM spans UNION SELECT resource FROM started)
"""
_HEADS = "".join(f", {head}" for head in HEADS.values())
_CONTENT_NAMES = ", ".join(name for name, _ in CONTENT_COLUMNS)


def _split_known(rows: list[Row], kept: list[Row]) -> tuple[list[Row], int]:
    """Return the rows whose content is new, and how many of them have the id of another."""
    contents: dict[SpanKey, list[Row]] = {}
    for content in kept:
        contents.setdefault(key_of(content), []).append(content)
    new, conflicts = [], 0
    for row in rows:
        content, same_id = row[:_CONTENT], contents.setdefault(key_of(row), [])
        if content not in same_id:
            conflicts += bool(same_id)
            same_id.append(content)
            new.append(row)
    return new, conflicts


def _schema(columns: tuple[tuple[str, str], ...]) -> pa.Schema:
    return pa.schema([(name, _ARROW[type_]) for name, type_ in columns])


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), config={"autoinstall_known_extensions": "false"})
    except (duckdb.Error, OSError) as error:
        found = unopened(path, error)
        hint = "; name another file with --store" if isinstance(found, StoreIsLocked) else ""
        raise UsageError(f"{found}{hint}") from error
    try:
        create(connection)
    except BackendError as error:
        connection.close()
        raise UsageError(f"{path}: {error}") from error
    return connection
