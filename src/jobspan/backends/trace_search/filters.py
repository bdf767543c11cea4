"""Whether a filter means a run, in Python; the pair of ``store.filters``, which says it in SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from jobspan.backends.base import RunFilter
from jobspan.backends.ids import is_command_id
from jobspan.runs import RUNNING, Run


def is_attempt_of(run: Run, where: RunFilter) -> bool:
    """Say whether a filter means this attempt, its outcomes and ``failed`` set aside."""
    return (
        within(run.start_ns, where)
        and is_one_of(run.job_name, where.jobs)
        and is_one_of(run.queue, where.queues)
        and is_of_command(run.command_id, run.command_name, where.commands)
        and (not where.frameworks or run.framework in where.frameworks)
    )


def admits(run: Run, where: RunFilter) -> bool:
    """Say whether a filter means this run."""
    return (
        is_attempt_of(run, where)
        and (run.failed or not where.failed)
        and (not where.outcomes or (run.outcome or RUNNING) in where.outcomes)
    )


def within(start_ns: int, where: RunFilter) -> bool:
    """Say whether a moment lies within a filter's times."""
    return (where.since_ns is None or start_ns >= where.since_ns) and (
        where.until_ns is None or start_ns < where.until_ns
    )


def is_one_of(name: str | None, terms: Sequence[str]) -> bool:
    """Say whether one of the names, in which ``*`` and ``?`` are wildcards, matches; without names any does."""
    return not terms or (name is not None and any(_matcher(text)(name) for text in terms))


def is_of_command(command_id: str | None, name: str | None, terms: Sequence[str]) -> bool:
    """Say whether one of the names or beginnings of ids means this command; none: any is."""
    if not terms:
        return True
    by_id = command_id is not None and command_id.startswith(tuple(text.lower() for text in terms))
    names = [text for text in terms if not is_command_id(text)]
    return by_id or (bool(names) and is_one_of(name, names))


def is_pattern(name: str) -> bool:
    """Say whether a name has wildcards."""
    return "*" in name or "?" in name


@cache
def _matcher(glob: str) -> Callable[[str], object]:
    pattern = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in glob)
    return re.compile(pattern, re.DOTALL).fullmatch
