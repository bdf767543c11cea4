"""Runs in the cells of a table: the same fact looks the same on every screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jobspan.analysis.failures import ending_of, failure_of
from jobspan.analysis.memory import Memory, memory_of
from jobspan.analysis.quantiles import Spread
from jobspan.cli.terminal.screen import CAUTION, FAILED, FINE, PLAIN, Column, Piece, piece
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.cli.terminal.times import Clock
from jobspan.cli.terminal.units import duration, size
from jobspan.jobs import Outcome
from jobspan.runs import RUNNING, Run

_FINE_OUTCOMES = frozenset({Outcome.SUCCEEDED, Outcome.FAILED_EXPECTED, Outcome.IGNORED, Outcome.REVOKED})

COLUMNS: Mapping[str, Column] = {
    "when": Column("when"),
    "id": Column("id"),
    "job": Column("job"),
    "queue": Column("queue", goes=3),
    "try": Column("try", goes=5),
    "error": Column("error", flexible=True),
    "outcome": Column("outcome", flexible=True),
    "waited": Column("waited", right=True, goes=1),
    "ran": Column("ran", right=True, goes=4),
    "memory": Column("memory", right=True, goes=2),
    "peak": Column("peak", right=True, goes=2),
    "command": Column("command", goes=6),
}


def run_cells(run: Run, clock: Clock, ids: ShortIds, *, slow: bool, peaks: bool) -> Mapping[str, Piece]:
    """Return a run's cells by the name of their column."""
    style = FINE if run.outcome in _FINE_OUTCOMES and not slow else PLAIN
    ran = duration(run.duration_s if run.end_ns else (clock.now_ns - run.start_ns) / 1e9)
    return {
        "when": Piece(clock.stamp(run.start_ns), style),
        "id": piece(ids.short(run.job_id), style),
        "job": piece(run.job_name or "-", style),
        "queue": piece(run.queue or "-", style),
        "try": Piece(attempt(run), style),
        "error": piece(failure_of(run), FAILED),
        "outcome": piece(ending_of(run), outcome_style(run)),
        "waited": Piece(duration(run.waited_s), style),
        "ran": Piece(ran, CAUTION if slow else style),
        "peak" if peaks else "memory": Piece(memory_text(memory_of(run), peaks=peaks), style),
        "command": piece(command_text(run.command_name, run.command_id, ids.short), style),
    }


def attempt(run: Run) -> str:
    """Return ``2/3``, or ``2`` when attempts are unlimited."""
    return f"{run.attempt}/{run.max_attempts}" if run.max_attempts else str(run.attempt)


def outcome_style(run: Run) -> str:
    """Red: it has failed. Yellow: it did not go well, and that is not the end. Dim: fine."""
    if run.failed:
        return FAILED
    return state_style(run.outcome or RUNNING)


def state_style(state: str) -> str:
    """Return the colour of a job's state that is no failure."""
    if state in _FINE_OUTCOMES:
        return FINE
    return PLAIN if state == RUNNING else CAUTION


def memory_text(memory: Memory | None, *, peaks: bool) -> str:
    """Return ``2.1 GB``; in a column of peaks ``≥ 84 MB`` for what is none: the peak was at least that."""
    if memory is None:
        return ""
    return f"≥ {size(memory.bytes)}" if peaks and not memory.is_peak else size(memory.bytes)


def command_text(name: str | None, command_id: str | None, cut: Callable[[str | None], str]) -> str:
    """Return ``import-orders 7f3a``; empty without a command."""
    return " ".join(part for part in (name, cut(command_id)) if part)


def spread_text(spread: Spread | None) -> str:
    """Return ``0.3 s / 0.9 s``; empty for None."""
    return f"{duration(spread.p50)} / {duration(spread.p95)}" if spread else ""
