"""What a backend of traces is searched for: attributes that one span must have, out of what a filter says.

Only what names whole values can be searched for; the rest of a filter is held against what comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from string import hexdigits

from jobspan import conventions as c
from jobspan.backends.base import RunFilter
from jobspan.backends.ids import is_command_id
from jobspan.backends.trace_search.filters import is_pattern
from jobspan.jobs import FAILING_OUTCOMES
from jobspan.runs import RUNNING

Terms = Mapping[str, str]
"""Attributes with their values as text, all of one span."""

_MOST = 24
"""So many searches for one question; what would ask for more is left to the filter."""
_SPAN_DIGITS = 16


class Prefix(str):
    """A value that only begins so."""

    __slots__ = ()


_RUN = {c.MESSAGING_OPERATION_NAME: c.OPERATION_RUN}
_PUBLISH = {c.MESSAGING_OPERATION_NAME: c.OPERATION_PUBLISH}
_COMMANDS = tuple(
    {c.JOBSPAN_COMMAND_OUTCOME: outcome}
    for outcome in (c.COMMAND_SUCCEEDED, c.COMMAND_FAILED, c.COMMAND_INTERRUPTED, c.COMMAND_LOST)
)
_PUT_NOTHING = {c.JOBSPAN_COMMAND_JOBS_PUBLISHED: "0"}

OF_JOBS_AND_COMMANDS: Sequence[Terms] = (_RUN, _PUBLISH, *_COMMANDS, _PUT_NOTHING)
"""Every span of a job, and every command: one without an outcome has published a job, or says that it did not."""


def terms_for_runs(where: RunFilter) -> list[Terms]:
    """Return what to search for to find the runs that a filter means; nothing when it means none that have ended."""
    outcomes = [outcome for outcome in where.outcomes if outcome != RUNNING]
    if where.outcomes and not outcomes:
        return []
    if where.failed and not outcomes:
        outcomes = sorted(outcome.value for outcome in FAILING_OUTCOMES)
    choices: list[list[Terms]] = [
        _each(c.JOBSPAN_JOB_OUTCOME, outcomes),
        _each(c.JOBSPAN_JOB_NAME, where.jobs),
        _each(c.MESSAGING_DESTINATION_NAME, where.queues),
        _each(c.JOBSPAN_FRAMEWORK, where.frameworks),
        _by_command(where.commands),
    ]
    final = {c.JOBSPAN_JOB_FINAL: "true"} if where.failed else {}
    return _combined(_RUN | final, choices)


def terms_for_commands(commands: Sequence[str]) -> list[Terms]:
    """Return what to search for to find commands by names or ids; to find all, without any."""
    return list(OF_JOBS_AND_COMMANDS) if {} in (by_command := _by_command(commands)) else by_command


def id_of_command(command_id: str) -> Terms:
    """Return what to search for to find what belongs to a command."""
    return {c.JOBSPAN_COMMAND_ID: command_id}


def _each(attribute: str, values: Sequence[str]) -> list[Terms]:
    if not values or any(map(is_pattern, values)):
        return [{}]
    return [{attribute: value} for value in values]


def _by_command(texts: Sequence[str]) -> list[Terms]:
    """A text is a name or the beginning of an id, of which only a whole one can be searched for."""
    found: list[Terms] = []
    for text in texts:
        may_begin_an_id = len(text) < _SPAN_DIGITS and all(digit in hexdigits for digit in text)
        if is_pattern(text) or may_begin_an_id:
            return [{}]
        found.append(id_of_command(text.lower()) if is_command_id(text) else {c.JOBSPAN_COMMAND_NAME: text})
    return found or [{}]


def _combined(always: Terms, choices: Iterable[list[Terms]]) -> list[Terms]:
    found: list[Terms] = [always]
    for choice in choices:
        if len(found) * len(choice) <= _MOST:
            found = [{**one, **other} for one, other in product(found, choice)]
    return found
