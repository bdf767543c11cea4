"""What the tests of dying processes ask of the spans and of the state folder, for both frameworks."""

from __future__ import annotations

import json
import time
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from jobspan import conventions as c
from jobspan.runs import Span, is_run
from support.stage import Stage
from support.workers import TESTS, Instrumented

LATER_MS = 60_000
"""A batch delay that no test waits for: what a process has finished is still with it when it dies."""

_QUIET_S = 3.0
_HOW_LOST = (c.JOBSPAN_JOB_LOST_REASON, c.JOBSPAN_JOB_EXIT_SIGNAL, c.JOBSPAN_JOB_EXIT_CODE, c.JOBSPAN_JOB_OOM_KILLED)


def wait_for_runs(stage: Stage, number: int) -> tuple[Span, ...]:
    """Wait for so many run spans."""
    return stage.collector.wait_for_spans(number, named="run ", deadline_s=30)


def files(stage: Stage) -> list[Path]:
    """Return the flight files that stand in the state folder."""
    return [path for path in (stage.folder / "flight").glob("*") if path.is_file()]


def how_lost(span: Span) -> dict[str, Any]:
    """Return what a lost run says of its end, by the last word of the name."""
    return {name.rpartition(".")[2]: span.attributes[name] for name in _HOW_LOST if name in span.attributes}


def lost_links(span: Span) -> list[tuple[str, str]]:
    """Return trace and span ids of the lost runs that a span links to."""
    return [(link.trace_id, link.span_id) for link in span.links if link.type == c.LINK_LOST_RUN]


def once(spans: Iterable[Span]) -> list[Span]:
    """Return the spans without identical duplicates: a process killed with its export in flight makes one."""
    found: dict[tuple[str, str], Span] = {}
    for span in spans:
        first = found.setdefault((span.trace_id, span.span_id), span)
        assert first == span, "the same span with another content"
    return list(found.values())


def outcomes(spans: Iterable[Span]) -> list[tuple[str, str, bool]]:
    """Return short job name, outcome and final of each run, sorted."""
    runs = (span for span in spans if is_run(span))
    return sorted(
        (
            span.attributes[c.JOBSPAN_JOB_NAME].rpartition(".")[2],
            span.attributes[c.JOBSPAN_JOB_OUTCOME],
            span.attributes[c.JOBSPAN_JOB_FINAL],
        )
        for span in runs
    )


def load(stage: Stage, seconds: float, *jobs: str) -> Instrumented:
    """Start a program that puts these jobs in turn, 40 a second, for so long, all in one trace."""
    before = stage.around
    stage.set(OTEL_PYTHON_JOBSPAN_TRACE_JOB_LIMIT="0")
    producer = stage.program(
        "python", str(TESTS / "apps" / "load.py"), str(seconds), json.dumps(jobs), name="load", expect=(".",)
    )
    stage.around = before
    return producer


class Quiet:
    """Says whether nothing runs any more, but in processes that were killed, and nothing new has begun for a while.

    Not every job begins: Celery forgets one that it has given to a child which dies before it takes it up.
    """

    def __init__(self, stage: Stage, killed: Container[int] = ()) -> None:
        self.stage, self.killed = stage, killed
        self.seen, self.since = -1, 0.0

    def __call__(self) -> bool:
        runs = self.stage.diary.runs
        if len(runs) != self.seen or any(run.ended_ns is None and run.pid not in self.killed for run in runs):
            self.seen, self.since = len(runs), time.monotonic()
        return time.monotonic() - self.since > _QUIET_S
