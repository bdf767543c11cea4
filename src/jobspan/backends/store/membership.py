"""Which ids begin with what was typed, and which spans belong to a command, a job or a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from jobspan.backends.base import Match
from jobspan.backends.ids import heads, trace_halves, trace_range, trace_text
from jobspan.backends.store.filters import IS_RUN, Condition, id_begins
from jobspan.backends.store.open_runs import at_positions

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def find(cursor: DuckDBPyConnection, prefix: str, limit: int) -> list[Match]:
    """Return commands, then jobs, then traces, whose id begins with ``prefix``; at most ``limit``."""
    found = [*_texts(cursor, "command", prefix.lower(), limit)]
    found += _texts(cursor, "job", prefix, limit)
    found += _traces(cursor, prefix, limit)
    return found[:limit]


def spans_of(cursor: DuckDBPyConnection, match: Match) -> Condition:
    """Return the condition, over ``spans s``, for the spans that belong to what was found.

    The text of an id is looked for once; what else belongs to it is found by the traces and the time of those spans.
    """
    if match.kind == "trace":
        return Condition("s.trace_hi = ?::UBIGINT AND s.trace_lo = ?::UBIGINT", list(trace_halves(match.id)))
    is_command = match.kind == "command"
    own = cursor.execute(_OWN_OF_COMMAND if is_command else _OWN_OF_JOB, [heads(match.id)[0], match.id]).fetchall()
    if not own:
        return Condition("FALSE", [])
    if is_command:
        # What a command caused says so; its traces add what others recorded there, but not another command's.
        return at_positions([*(place for *_, place in own), *_near(cursor, own, "command_head IS NULL")])
    return Condition(_OF_JOB, [_near(cursor, own, "TRUE"), match.id, match.id])


_NEAR_NS = 86_400 * 10**9
"""What others recorded in the traces of a command or a job belongs to it when it began within a day of its spans."""

_OWN = "SELECT trace_hi, trace_lo, start_ns, rowid FROM spans WHERE {}"
_OWN_OF_COMMAND = _OWN.format("command_head = ?::UINTEGER AND command_id = ?")
_OWN_OF_JOB = _OWN.format("job_head = ?::UINTEGER AND job_id = ? AND framework IS NOT NULL")

_NEAR = """
SELECT trace_hi, trace_lo, rowid FROM spans
WHERE {} AND start_ns BETWEEN ? AND ? AND trace_lo IN (SELECT unnest(?::UBIGINT[]))
"""
"""Compared by one half, the ids of traces are skimmed; the few that are left are compared by both."""

_OF_JOB = f"""
s.rowid IN (
  WITH RECURSIVE near AS MATERIALIZED (
    SELECT p.rowid AS place, p.trace_hi, p.trace_lo, p.span_id, p.parent_id, p.job_id, p.framework, {IS_RUN} AS is_run
    FROM spans p WHERE p.rowid IN (SELECT unnest(?::BIGINT[]))),
  inside AS (
    SELECT place, trace_hi, trace_lo, span_id FROM near WHERE job_id = ? AND framework IS NOT NULL
    UNION
    SELECT t.place, t.trace_hi, t.trace_lo, t.span_id FROM near t JOIN inside i
    ON t.parent_id = i.span_id AND t.trace_lo = i.trace_lo AND t.trace_hi = i.trace_hi
    WHERE NOT (t.is_run AND t.job_id IS DISTINCT FROM ?))
  SELECT place FROM inside)
"""  # noqa: S608  the only part put in is a constant
"""A job's own spans and what descends from them, up to the runs of other jobs."""


def _near(cursor: DuckDBPyConnection, own: list[Any], which: str) -> list[int]:
    """Return the ``rowid`` of those spans in the traces of some spans that began near them."""
    traces = {(high, low) for high, low, *_ in own}
    starts = [start_ns for _, _, start_ns, _ in own]
    times = [min(starts) - _NEAR_NS, max(starts) + _NEAR_NS]
    rows = cursor.execute(_NEAR.format(which), [*times, [low for _, low in traces]]).fetchall()
    return [place for high, low, place in rows if (high, low) in traces]


def _texts(cursor: DuckDBPyConnection, kind: Literal["command", "job"], prefix: str, limit: int) -> list[Match]:
    which, parameters = id_begins(kind, prefix)
    is_ours = " AND framework IS NOT NULL" if kind == "job" else ""
    begins = f"SELECT {kind}_id AS id FROM {{}} WHERE {which}{is_ours}"  # noqa: S608  constants
    return [Match(kind, row[0]) for row in _either(cursor, begins, parameters, limit)]


def _traces(cursor: DuckDBPyConnection, prefix: str, limit: int) -> list[Match]:
    between = trace_range(prefix)
    if between is None:
        return []
    (first_high, first_low), (last_high, last_low) = between
    begins = (
        "SELECT trace_hi, trace_lo FROM {} WHERE trace_hi BETWEEN ?::UBIGINT AND ?::UBIGINT"
        " AND trace_lo BETWEEN ?::UBIGINT AND ?::UBIGINT"
    )
    rows = _either(cursor, begins, [first_high, last_high, first_low, last_low], limit)
    return [Match("trace", trace_text(high, low)) for high, low in rows]


def _either(cursor: DuckDBPyConnection, begins: str, parameters: list[Any], limit: int) -> list[Any]:
    sql = f"{begins.format('spans')} UNION {begins.format('started')} ORDER BY ALL LIMIT {limit}"
    return cursor.execute(sql, parameters * 2).fetchall()
