"""The documents of ``--json``: one object a command line, made of the rows that ``rows`` promises."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from jobspan.analysis.command import CommandStory
from jobspan.analysis.failures import FailureGroup
from jobspan.analysis.job import JobStory
from jobspan.analysis.trace import TraceStory
from jobspan.backends.base import CommandSeen, Counts, Match, RunFilter
from jobspan.cli.documents.rows import (
    COMMAND_KEYS,
    COMMAND_ROW_KEYS,
    COUNT_KEYS,
    FILTER_KEYS,
    GROUP_KEYS,
    JOB_KEYS,
    MATCH_KEYS,
    RUN_KEYS,
    TRACE_KEYS,
    row,
    rows,
)
from jobspan.runs import Run


def runs_document(runs: Iterable[Run], counts: Counts, where: RunFilter) -> str:
    """Return the answer of ``failed --json`` and ``runs --json``, newest first."""
    return document(
        {"runs": rows(RUN_KEYS, runs), "counts": row(COUNT_KEYS, counts), "filter": row(FILTER_KEYS, where)}
    )


def commands_document(commands: Iterable[CommandSeen], where: RunFilter) -> str:
    """Return the answer of ``runs --commands --json``, newest first."""
    return document({"commands": rows(COMMAND_ROW_KEYS, commands), "filter": row(FILTER_KEYS, where)})


def groups_document(by: str, groups: Iterable[FailureGroup], counts: Counts, where: RunFilter) -> str:
    """Return the answer of ``failed --by … --json``."""
    found = rows(GROUP_KEYS, groups)
    return document({"by": by, "groups": found, "counts": row(COUNT_KEYS, counts), "filter": row(FILTER_KEYS, where)})


def story_document(match: Match, story: CommandStory | JobStory | TraceStory) -> str:
    """Return the answer of ``show --json``."""
    keys = {"command": COMMAND_KEYS, "job": JOB_KEYS, "trace": TRACE_KEYS}[match.kind]
    return document({"kind": match.kind, match.kind: row(keys, story)})


def matches_document(matches: Iterable[Match]) -> str:
    """Return the answer of ``show --json`` to an id that several things begin with, or none."""
    return document({"kind": None, "matches": rows(MATCH_KEYS, matches)})


def document(content: Mapping[str, object]) -> str:
    """Return the text of a JSON document: ASCII only, so nothing in it can steer a terminal."""
    return json.dumps(_plain(content), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return [_plain(inner) for inner in value] if isinstance(value, Iterable) else str(value)
