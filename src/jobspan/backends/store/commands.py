"""Commands with what became of their jobs, counted by the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobspan import conventions as c
from jobspan.backends.base import CommandSeen, RunFilter
from jobspan.backends.store.filters import IS_RUN, Condition, of_command
from jobspan.runs import Command, Span, command_from_span

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

IS_OWN = "command_id = format('{:016x}', span_id)"
"""A span is the command itself: its id is the command's."""


def seen(cursor: DuckDBPyConnection, where: RunFilter, spans: Callable[[Condition], list[Span]]) -> list[CommandSeen]:
    """Return the commands that a filter means, newest first.

    Args:
        cursor: one moment of the store.
        where: its times, commands and limit; a command begins with the first that is seen of it.
        spans: returns the spans of a condition.
    """
    narrowed = of_command(where)
    limit = "" if where.limit is None else f" LIMIT {int(where.limit)}"
    bounds = [where.since_ns or 0, where.until_ns if where.until_ns is not None else 2**63 - 1]
    listed = cursor.execute(_LISTED.format(narrowed.sql, narrowed.sql) + limit, narrowed.parameters * 2 + bounds)
    rows = listed.fetchall()
    ids = [row[0] for row in rows]
    found = spans(Condition(f"{_OF_THESE} AND {IS_OWN}", [ids])) if ids else []
    own = {span.span_id: command_from_span(span) for span in found}
    jobs, published = _by_id(cursor, _JOBS, ids), _by_id(cursor, _PUBLISHED, ids)
    return [_seen(row, own.get(row[0]), jobs.get(row[0]), published.get(row[0])) for row in rows]


def _seen(row: Any, own: Command | None, jobs: Any, published: Any) -> CommandSeen:
    command_id, name, began_ns, last_ns, tells_running = row
    number, done, failed, running, retries = jobs or (0, 0, 0, 0, 0)
    put, not_put = published or (0, 0)
    return CommandSeen(
        id=command_id,
        name=own.name if own else name,
        start_ns=own.start_ns if own else began_ns,
        last_ns=last_ns,
        command=own,
        put=max(put, number, own.published if own else 0),
        not_put=max(not_put, own.failed_to_publish if own else 0),
        done=done,
        failed=failed,
        running=running,
        retries=retries,
        tells_running=tells_running,
    )


def _by_id(cursor: DuckDBPyConnection, sql: str, ids: list[str]) -> dict[str, Any]:
    if not ids:
        return {}
    return {row[0]: row[1:] for row in cursor.execute(sql, [ids] * sql.count("?")).fetchall()}


_LISTED = """
SELECT command_id, arg_min(command_name, start_ns), min(start_ns) AS began, max(greatest(start_ns, end_ns)),
       coalesce(bool_or(is_started), FALSE)
FROM (
  SELECT command_id, command_name, start_ns, end_ns, FALSE AS is_started FROM spans WHERE command_id IS NOT NULL AND {}
  UNION ALL
  SELECT command_id, command_name, start_ns, end_ns, framework IS NOT NULL FROM started
  WHERE command_id IS NOT NULL AND {})
GROUP BY command_id HAVING began >= ? AND began < ? ORDER BY began DESC, command_id"""

_OF_THESE = "command_id IN (SELECT unnest(?::VARCHAR[]))"

_JOBS = f"""
SELECT command_id, count(*), sum(done::BIGINT)::BIGINT, sum(failed::BIGINT)::BIGINT,
       sum((running AND NOT done)::BIGINT)::BIGINT, sum(retries)::BIGINT
FROM (
  SELECT command_id, job, coalesce(bool_or(final), FALSE) AS done, bool_or(failed) AS failed,
         bool_or(is_open) AS running, count(*) FILTER (outcome = 'retried') AS retries
  FROM (
    SELECT command_id, coalesce(job_id, span_id::VARCHAR) AS job, final, failed, outcome, FALSE AS is_open
    FROM spans WHERE {_OF_THESE} AND {IS_RUN}
    UNION ALL
    SELECT command_id, coalesce(job_id, span_id::VARCHAR), FALSE, FALSE, NULL, TRUE
    FROM started s WHERE {_OF_THESE} AND {IS_RUN} AND NOT EXISTS (SELECT 1 FROM spans e
      WHERE e.span_id = s.span_id AND e.trace_lo = s.trace_lo AND e.trace_hi = s.trace_hi))
  GROUP BY command_id, job)
GROUP BY command_id
"""  # noqa: S608  constants

_IN_BATCH = f"""(attributes->>'$."{c.MESSAGING_BATCH_MESSAGE_COUNT}"')::BIGINT"""
_PUBLISHED = f"""
SELECT command_id,
       sum(CASE WHEN {_IN_BATCH} IS NOT NULL THEN {_IN_BATCH} * (kind = 'producer')::BIGINT
                ELSE (error_type IS NULL AND coalesce(attempt, 1) = 1)::BIGINT END)::BIGINT,
       sum(({_IN_BATCH} IS NULL AND error_type IS NOT NULL)::BIGINT)::BIGINT
FROM spans WHERE {_OF_THESE} AND framework IS NOT NULL AND operation = '{c.OPERATION_PUBLISH}'
GROUP BY command_id
"""  # noqa: S608  constants
