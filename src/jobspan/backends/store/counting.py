"""How many runs and jobs a filter matches, and how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobspan.backends.base import Counts
from jobspan.backends.store.filters import Condition
from jobspan.backends.store.open_runs import at_positions, open_positions
from jobspan.runs import RUNNING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS = "coalesce(job_id, span_id::VARCHAR) AS job, {} AS outcome, {} AS failed, start_ns"


def count(cursor: DuckDBPyConnection, which: Condition) -> Counts:
    """Count the attempts that ``which`` means, those in flight among them."""
    attempts = _attempts(which, open_positions(cursor, which))
    outcomes = dict(_all(cursor, attempts, _BY_OUTCOME))
    jobs = _one(cursor, attempts, "SELECT count(DISTINCT job) FROM attempts")
    failed = _one(cursor, attempts, "SELECT count(DISTINCT job) FROM attempts WHERE failed")
    recovered = _one(cursor, attempts, _RECOVERED) if "retried" in outcomes else 0
    return Counts(sum(outcomes.values()), jobs, failed, recovered, outcomes)


def _attempts(which: Condition, still_open: list[int]) -> Condition:
    ended = f"SELECT {_COLUMNS.format('outcome', 'failed')} FROM spans s WHERE {which.sql}"  # noqa: S608  parameters
    if not still_open:
        return Condition(ended, which.parameters)
    running = at_positions(still_open)
    sql = f"{ended} UNION ALL SELECT {_COLUMNS.format('NULL', 'FALSE')} FROM started WHERE {running.sql}"  # noqa: S608
    return Condition(sql, [*which.parameters, *running.parameters])


def _one(cursor: DuckDBPyConnection, attempts: Condition, question: str) -> int:
    return int(_all(cursor, attempts, question)[0][0])


def _all(cursor: DuckDBPyConnection, attempts: Condition, question: str) -> list[tuple[str, int]]:
    return cursor.execute(f"WITH attempts AS ({attempts.sql}) {question}", attempts.parameters).fetchall()


_BY_OUTCOME = f"SELECT coalesce(outcome, '{RUNNING}') AS o, count(*) FROM attempts GROUP BY o ORDER BY o"  # noqa: S608
_RECOVERED = """
SELECT count(DISTINCT a.job) FROM attempts a
JOIN (SELECT job, min(start_ns) AS first_ns FROM attempts WHERE outcome = 'retried' GROUP BY job) r
ON a.job = r.job AND a.outcome = 'succeeded' AND a.start_ns > r.first_ns
"""
"""Jobs that succeeded after a retry; few are retried, so only those are looked up."""
