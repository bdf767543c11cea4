"""Which ids begin with what was typed, and which spans belong to a command, a job or a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobspan.backends.base import IdKind, Match
from jobspan.backends.filters import IS_RUN, Condition
from jobspan.backends.ids import trace_halves, trace_range, trace_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def find(cursor: DuckDBPyConnection, prefix: str, limit: int) -> list[Match]:
    """Return commands, then jobs, then traces, whose id begins with ``prefix``; at most ``limit``."""
    found = [*_texts(cursor, "command", "command_id", prefix.lower(), limit)]
    found += _texts(cursor, "job", "job_id", prefix, limit)
    found += _traces(cursor, prefix, limit)
    return found[:limit]


def spans_of(match: Match) -> Condition:
    """Return the condition, over ``spans s``, for the spans that belong to what was found."""
    if match.kind == "command":
        return Condition(_OF_COMMAND, [match.id, match.id])
    if match.kind == "job":
        return Condition(_OF_JOB, [match.id, match.id, match.id])
    return Condition("s.trace_hi = ? AND s.trace_lo = ?", list(trace_halves(match.id)))


_OF_COMMAND = """
(s.command_id = ? OR (s.command_id IS NULL AND EXISTS (
  SELECT 1 FROM spans c WHERE c.command_id = ? AND c.trace_lo = s.trace_lo AND c.trace_hi = s.trace_hi)))
"""
"""What a command caused says so; its traces add what others recorded there, but not another command's."""

_OF_JOB = f"""
(s.trace_hi, s.trace_lo, s.span_id) IN (
  WITH RECURSIVE traces AS MATERIALIZED (
    SELECT trace_hi, trace_lo, span_id, parent_id, {IS_RUN} AND job_id IS DISTINCT FROM ? AS is_other_run
    FROM spans WHERE (trace_hi, trace_lo) IN (
      SELECT trace_hi, trace_lo FROM spans WHERE job_id = ? AND framework IS NOT NULL)),
  inside AS (
    SELECT trace_hi, trace_lo, span_id FROM spans WHERE job_id = ? AND framework IS NOT NULL
    UNION
    SELECT t.trace_hi, t.trace_lo, t.span_id FROM traces t JOIN inside i
    ON t.parent_id = i.span_id AND t.trace_lo = i.trace_lo AND t.trace_hi = i.trace_hi WHERE NOT t.is_other_run)
  SELECT trace_hi, trace_lo, span_id FROM inside)
"""  # noqa: S608  the only part put in is a constant
"""A job's own spans and what descends from them, up to the runs of other jobs."""


def _texts(cursor: DuckDBPyConnection, kind: IdKind, column: str, prefix: str, limit: int) -> list[Match]:
    begins = f"SELECT {column} AS id FROM {{}} WHERE framework IS NOT NULL AND starts_with({column}, ?)"  # noqa: S608
    if kind == "command":
        begins = f"SELECT {column} AS id FROM {{}} WHERE starts_with({column}, ?)"  # noqa: S608  constants
    return [Match(kind, row[0]) for row in _either(cursor, begins, [prefix], limit)]


def _traces(cursor: DuckDBPyConnection, prefix: str, limit: int) -> list[Match]:
    between = trace_range(prefix)
    if between is None:
        return []
    (first_high, first_low), (last_high, last_low) = between
    begins = "SELECT trace_hi, trace_lo FROM {} WHERE trace_hi BETWEEN ? AND ? AND trace_lo BETWEEN ? AND ?"
    rows = _either(cursor, begins, [first_high, last_high, first_low, last_low], limit)
    return [Match("trace", trace_text(high, low)) for high, low in rows]


def _either(cursor: DuckDBPyConnection, begins: str, parameters: list[Any], limit: int) -> list[Any]:
    sql = f"{begins.format('spans')} UNION {begins.format('started')} ORDER BY ALL LIMIT {limit}"
    return cursor.execute(sql, parameters * 2).fetchall()
