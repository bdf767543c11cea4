"""A ``RunFilter`` as an SQL condition over the store's columns."""

from __future__ import annotations

from typing import Any, Literal

from jobspan import conventions as c
from jobspan.backends.base import RunFilter
from jobspan.backends.ids import heads, is_command_id
from jobspan.named_tuple import NamedTuple
from jobspan.runs import RUNNING

IS_RUN = f"(framework IS NOT NULL AND operation = '{c.OPERATION_RUN}')"


class Condition(NamedTuple):
    """SQL with its parameters, in order."""

    sql: str
    parameters: list[Any]


def every_attempt(where: RunFilter) -> Condition:
    """Return the condition for the attempts that a filter means, its outcomes and ``failed`` set aside."""
    parts = [
        Condition(IS_RUN, []),
        _bound("start_ns >= ?", where.since_ns),
        _bound("start_ns < ?", where.until_ns),
        _any(_named("job_name", name) for name in where.jobs),
        _any(_named("queue", name) for name in where.queues),
        _any(_command(text) for text in where.commands),
        _any(Condition("framework = ?", [name]) for name in where.frameworks),
    ]
    return _all(parts)


def of_command(where: RunFilter) -> Condition:
    """Return the condition for the spans of the commands that a filter names."""
    return _any(_command(text) for text in where.commands)


def matching(where: RunFilter) -> Condition:
    """Return the condition for the runs that a filter means."""
    failed = Condition("failed", []) if where.failed else _ANY
    return _all([every_attempt(where), failed, _any(_outcome(name) for name in where.outcomes)])


def id_begins(which: Literal["command", "job"], prefix: str) -> Condition:
    """Return the condition for the spans of the commands or jobs whose id begins with a prefix.

    Numbers are compared in the column's type: a wider one is cast to row by row.
    """
    head, (first, last) = f"{which}_head", heads(prefix)
    if first == last:
        return Condition(f"({head} = ?::UINTEGER AND starts_with({which}_id, ?))", [first, prefix])
    among = f"({head} BETWEEN ?::UINTEGER AND ?::UINTEGER OR {head} = 0)"
    return Condition(f"({among} AND starts_with({which}_id, ?))", [first, last, prefix])


def like_pattern(glob: str) -> str:
    r"""Return the ``LIKE ... ESCAPE '\'`` pattern of a name with ``*`` and ``?``."""
    for special in ("\\", "%", "_"):
        glob = glob.replace(special, "\\" + special)
    return glob.replace("*", "%").replace("?", "_")


_ANY = Condition("TRUE", [])


def _bound(sql: str, value: int | None) -> Condition:
    return _ANY if value is None else Condition(sql, [value])


def _named(column: str, name: str) -> Condition:
    if "*" in name or "?" in name:
        return Condition(f"{column} LIKE ? ESCAPE '\\'", [like_pattern(name)])
    return Condition(f"{column} = ?", [name])


def _command(text: str) -> Condition:
    by_id = id_begins("command", text.lower())
    return by_id if is_command_id(text) else _any([_named("command_name", text), by_id])


def _outcome(name: str) -> Condition:
    return Condition("outcome IS NULL", []) if name == RUNNING else Condition("outcome = ?", [name])


def _all(conditions: list[Condition]) -> Condition:
    return _joined(" AND ", [condition for condition in conditions if condition is not _ANY])


def _any(conditions: Any) -> Condition:
    found = list(conditions)
    return _joined(" OR ", found) if found else _ANY


def _joined(operator: str, conditions: list[Condition]) -> Condition:
    sql = operator.join(condition.sql for condition in conditions)
    return Condition(f"({sql})", [value for condition in conditions for value in condition.parameters])
