"""The screen of one command: the jobs that it published, folded by name, and when its runs were open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobspan import conventions as c
from jobspan.analysis.command import CommandStory, JobFold
from jobspan.analysis.failures import failure_text, outcome_text
from jobspan.analysis.seen import NOT_PUT, WAITING
from jobspan.analysis.timeline import Timeline
from jobspan.cli.screens.cells import memory_text, spread_text, state_style
from jobspan.cli.screens.runs_screen import say_next
from jobspan.cli.terminal.sanitize import sanitize_line
from jobspan.cli.terminal.screen import CAUTION, FAILED, FINE, STRONG, Column, Line, Piece, Screen, Table, piece
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.cli.terminal.times import Clock
from jobspan.cli.terminal.units import counted, duration
from jobspan.jobs import Outcome
from jobspan.runs import RUNNING, Command

_BLOCKS = "▁▂▃▄▅▆▇█"
_INDENT = "  "
_STATE_ORDER = (Outcome.SUCCEEDED.value, Outcome.FAILED.value, Outcome.LOST.value, Outcome.TIMED_OUT.value)


def print_command(screen: Screen, story: CommandStory, clock: Clock, ids: ShortIds) -> None:
    """Print a command's story and what to type next."""
    screen.lines(command_lines(story, clock))
    if story.folds:
        screen.table(fold_table(story.folds))
    if story.timeline:
        screen.lines([timeline_line(story.timeline, clock)])
    say_next(screen, _next_steps(story, ids))


def command_lines(story: CommandStory, clock: Clock) -> list[Line]:
    """Return its name, how it ended, and what became of the jobs it published."""
    lines: list[Line] = [[piece(story.name or "-", STRONG), Piece("  "), piece(story.id, FINE), *_ending(story, clock)]]
    if story.command and story.command.failure:
        lines.append([Piece(f"{_INDENT}error "), piece(failure_text(story.command.failure), FAILED)])
    lines.append(_put_line(story))
    if story.nested_states:
        nested = sum(story.nested_states.values())
        lines.append([Piece(f"{_INDENT}those put {nested} more: "), *_states(story.nested_states)])
    return lines


def fold_table(folds: Sequence[JobFold]) -> Table:
    """Lay out the jobs of a command by name, nested by the job that published them."""
    peaks = any(fold.memory and fold.memory.is_peak for fold in folds)
    columns = [
        Column("job", flexible=True),
        Column("count", right=True),
        Column("failed"),
        Column("retries", right=True, goes=2),
        Column("waited p50 / p95", goes=1),
        Column("ran p50 / p95"),
        Column("peak" if peaks else "memory", right=True, goes=3),
    ]
    return Table(columns, [_fold_cells(fold, peaks=peaks) for fold in folds], indent=_INDENT)


def timeline_line(timeline: Timeline, clock: Clock) -> Line:
    """Return runs open over time, as one line of blocks."""
    top = len(_BLOCKS) - 1
    blocks = "".join(_BLOCKS[-(-count * top // max(timeline.highest, 1))] for count in timeline.open_runs)
    start, end = clock.stamp(timeline.start_ns), clock.stamp(timeline.end_ns)
    return [Piece(f"{_INDENT}{start} ▏{blocks}▕ {end}   runs open, {timeline.highest} at most")]


def _ending(story: CommandStory, clock: Clock) -> list[Piece]:
    command = story.command
    if command is None:
        return [Piece("  "), Piece("its end was not seen: it still runs, or was killed", CAUTION)]
    parts = [f"{duration(command.duration_s)}", f"{clock.stamp(command.start_ns)} → {clock.stamp(command.end_ns)}"]
    parts += [f"host {command.host}"] if command.host else []
    return [Piece("  "), exit_piece(command), piece(", " + ", ".join(parts))]


def exit_piece(command: Command) -> Piece:
    """Return how a command ended: ``exit 0``, ``SIGTERM``, ``lost: SIGKILL``."""
    if command.exit_code is None:
        text = [*(["lost"] if command.outcome == c.COMMAND_LOST else []), *filter(None, [command.exit_signal])]
        return piece(": ".join(text), FAILED) if text else Piece("no exit code", CAUTION)
    return Piece(f"exit {command.exit_code}", FAILED if command.exit_code else "")


def _put_line(story: CommandStory) -> Line:
    if not story.put and not story.not_put:
        return [Piece(f"{_INDENT}put no jobs")]
    took = f" in {duration(story.put_s)}" if story.put_s is not None else ""
    line = [Piece(f"{_INDENT}put {counted(story.put, 'job')}{took}")]
    seen = {state: count for state, count in story.states.items() if state != NOT_PUT}
    line += [Piece(": "), *_states(seen)] if seen else []
    unseen = story.put - sum(seen.values())
    line += [Piece(f", {unseen} not seen", CAUTION)] if seen and unseen > 0 else []
    line += [Piece("; "), Piece(f"{story.not_put} could not be put", FAILED)] if story.not_put else []
    line += [Piece("; "), Piece(counted(story.retries, "retry", "retries"), CAUTION)] if story.retries else []
    return line


def _states(states: Mapping[str, int]) -> list[Piece]:
    order = sorted(states, key=lambda state: (_STATE_ORDER.index(state) if state in _STATE_ORDER else 9, state))
    pieces = [Piece(f"{states[state]} {outcome_text(state)}", _state_style(state)) for state in order]
    return [part for one in pieces for part in (one, Piece(", "))][:-1]


def _state_style(state: str) -> str:
    if state in {WAITING, RUNNING, Outcome.SUCCEEDED}:
        return ""
    failing = {Outcome.FAILED, Outcome.LOST, Outcome.TIMED_OUT, Outcome.UNROUTABLE, NOT_PUT}
    return FAILED if state in failing else state_style(state)


def _fold_cells(fold: JobFold, *, peaks: bool) -> list[Piece]:
    tree = "  " * (fold.depth - 1) + "└ " if fold.depth else ""
    return [
        Piece(tree + sanitize_line(fold.name)),
        Piece(str(fold.jobs)),
        piece(_failed_text(fold.failed), FAILED),
        Piece(str(fold.retries) if fold.retries else "", CAUTION),
        Piece(spread_text(fold.waited)),
        Piece(spread_text(fold.ran)),
        Piece(memory_text(fold.memory, peaks=peaks)),
    ]


def _failed_text(failed: Mapping[str, int]) -> str:
    """Return ``1``, ``1 lost``, ``2, 1 lost``: a bare number is plainly failed."""
    return ", ".join(
        str(count) if outcome == Outcome.FAILED else f"{count} {outcome_text(outcome)}"
        for outcome, count in sorted(failed.items(), key=lambda item: (item[0] != Outcome.FAILED, item[0]))
    )


def _next_steps(story: CommandStory, ids: ShortIds) -> list[str]:
    trace_id = story.command.trace_id if story.command else None
    ids.expect([story.id, trace_id, *(run.job_id for run in story.failed_runs[-1:])])
    me = ids.short(story.id)
    failing = [f"jobspan show {ids.short(run.job_id)} (a failed job)" for run in story.failed_runs[-1:] if run.job_id]
    failing += [f"jobspan failed --command {me}"] if story.failed_runs else []
    trace = [f"jobspan show {ids.short(trace_id)} (the trace)"] if trace_id else []
    return [*failing, f"jobspan runs --command {me}", *trace]
