"""The screens of ``failed`` and ``runs``: a table, the counts, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from jobspan.analysis.failures import FailureGroup, outcome_text
from jobspan.analysis.slow import slow_runs
from jobspan.backends.base import Counts
from jobspan.cli.options import Query, ReadOptions
from jobspan.cli.screens.cells import COLUMNS, run_cells
from jobspan.cli.terminal.screen import CAUTION, FAILED, FINE, Column, Piece, Screen, Table, piece
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.cli.terminal.times import Clock
from jobspan.cli.terminal.units import counted
from jobspan.questions.runs import NothingFound
from jobspan.runs import OUTCOMES, Run

FAILED_COLUMNS = ("when", "id", "job", "queue", "try", "error", "waited", "ran", "memory", "command")
RUN_COLUMNS = ("when", "id", "job", "queue", "try", "outcome", "waited", "ran", "memory", "command")
_SEPARATOR = " · "


def run_table(runs: Sequence[Run], columns: Sequence[str], clock: Clock, ids: ShortIds) -> Table:
    """Lay out runs, given newest first: the newest comes last, next to the prompt."""
    ids.expect(full for run in runs for full in (run.job_id, run.command_id))
    slow, peaks = slow_runs(runs), any(run.memory_peak_bytes is not None for run in runs)
    rows = [run_cells(run, clock, ids, slow=run.span_id in slow, peaks=peaks) for run in reversed(runs)]
    shown = ["peak" if name == "memory" and peaks else name for name in columns]
    return Table([COLUMNS[name] for name in shown], [[cells[name] for name in shown] for cells in rows])


def group_table(by: str, groups: Sequence[FailureGroup], clock: Clock, ids: ShortIds) -> Table:
    """Lay out groups of failures, given largest first: the largest comes last."""
    ids.expect(full for group in groups for full in (group.newest.job_id, group.newest.command_id))
    by_job = by == "job"
    columns = [
        Column("jobs", right=True),
        Column(by, flexible=by == "error"),
        *([] if by_job else [Column("job", flexible=by != "error", goes=2)]),
        Column("first", goes=1),
        Column("last"),
        Column("newest"),
    ]
    rows = [
        [
            Piece(str(group.jobs), FAILED),
            piece(group.key, FAILED if by == "error" else ""),
            *([] if by_job else [piece(", ".join(group.job_names))]),
            Piece(clock.stamp(group.first_ns)),
            Piece(clock.stamp(group.last_ns)),
            piece(ids.short(group.newest.job_id)),
        ]
        for group in reversed(groups)
    ]
    return Table(columns, rows)


def failed_summary(counts: Counts, window: str) -> list[Piece]:
    """Return ``2 of 41 jobs failed in the last hour; 5 more were retried and then succeeded.``"""
    line = [
        Piece(str(counts.failed), FAILED if counts.failed else FINE),
        piece(f" of {counted(counts.jobs, 'job')} failed {window}"),
    ]
    if counts.recovered:
        line += [
            Piece("; "),
            Piece(str(counts.recovered), CAUTION),
            Piece(f" more {'was' if counts.recovered == 1 else 'were'} retried and then succeeded"),
        ]
    return [*line, Piece(".")]


def runs_summary(counts: Counts, window: str) -> list[Piece]:
    """Return ``46 runs of 41 jobs in the last hour: 38 succeeded, 5 retried, 2 failed, 1 running.``"""
    outcomes = sorted(counts.by_outcome.items(), key=lambda item: (-item[1], OUTCOMES.index(item[0])))
    text = ", ".join(f"{count} {outcome_text(outcome)}" for outcome, count in outcomes if count)
    return [piece(f"{counted(counts.runs, 'run')} of {counted(counts.jobs, 'job')} {window}: {text}.")]


def say_next(screen: Screen, commands: Sequence[str]) -> None:
    """Write what to type next: in one line, or one under the other where that is too long."""
    commands = [_with_options(command, screen.again) for command in commands]
    line = f"Next: {_SEPARATOR.join(commands)}"
    if screen.width is None or len(line) <= screen.width:
        screen.line(piece(line))
        return
    for place, command in enumerate(commands):
        screen.line(Piece("      " if place else "Next: "), piece(command))


def _with_options(command: str, options: str) -> str:
    words, comment, rest = command.partition(" (")
    return f"{words}{options}{comment}{rest}"


def say_cut(screen: Screen, shown: int, *, more: bool) -> None:
    """Say that not all is shown."""
    if more:
        screen.line(Piece(f"Only the newest {shown} are shown; --limit 0 shows all.", CAUTION))


def next_steps(run: Run, ids: ShortIds, others: Sequence[str]) -> list[str]:
    """Return commands that lead on from a run."""
    steps = [f"jobspan show {ids.short(run.job_id)} (one job)"] if run.job_id else []
    steps += others
    return [*steps, f"jobspan show {ids.short(run.command_id)} (the command)"] if run.command_id else steps


def say_nothing_found(screen: Screen, nothing: NothingFound, reading: ReadOptions, query: Query) -> None:
    """Say what was looked for, and why nothing of it was there."""
    looked_for = f"No {'failed jobs' if query.where.failed else 'runs'}"
    looked_for += f" with {query.narrowed} {query.window}" if query.narrowed else f" {query.window}"
    if nothing.jobs:
        screen.line(piece(f"{looked_for} ({counted(nothing.jobs, 'job')} ran)."))
    elif nothing.other_jobs:
        screen.line(piece(f"{looked_for} ({counted(nothing.other_jobs, 'other job')} ran)."))
    else:
        screen.line(piece(f"{looked_for}: no job ran at all."))
        _say_what_there_is(screen, nothing.newest, reading)


def _say_what_there_is(screen: Screen, newest: Run | None, reading: ReadOptions) -> None:
    if newest:
        began = reading.clock.stamp(newest.start_ns)
        screen.line(piece(f"The newest run, {newest.job_name or '-'}, began {began}; --since looks further back."))
        return
    screen.line(piece(f"Nothing has reached {reading.place} yet. Check that"))
    is_foreign = reading.place.program in ("Jaeger", "Tempo")
    if not is_foreign:
        screen.line("  - jobspan serve is running, and keeps the same store;")
    screen.line("  - workers run under opentelemetry-instrument, with jobspan[otlp] installed;")
    receiver = "its OTLP port" if is_foreign else "the address that jobspan serve printed"
    screen.line(f"  - OTEL_EXPORTER_OTLP_ENDPOINT in their environment is {receiver}.")
