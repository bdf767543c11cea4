"""Commands as rows, and how far a running one is, as a line."""

from __future__ import annotations

from collections.abc import Sequence

from jobspan.backends.base import CommandSeen
from jobspan.cli.screens.command_screen import exit_piece
from jobspan.cli.terminal.screen import CAUTION, FAILED, Column, Piece, Table, piece
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.cli.terminal.times import Clock
from jobspan.cli.terminal.units import counted, duration
from jobspan.questions.progress import seconds_left

_COLUMNS = (
    Column("when"),
    Column("id"),
    Column("command", flexible=True),
    Column("ended"),
    Column("took", right=True, goes=2),
    Column("put", right=True),
    Column("done", right=True),
    Column("failed", right=True),
    Column("retries", right=True, goes=1),
    Column("host", goes=3),
)


def command_table(commands: Sequence[CommandSeen], clock: Clock, ids: ShortIds) -> Table:
    """Lay out commands, given newest first: the newest comes last, next to the prompt."""
    return Table(_COLUMNS, [_cells(seen, clock, ids) for seen in reversed(commands)])


def commands_summary(commands: Sequence[CommandSeen], window: str) -> str:
    """Return ``3 commands in the last hour put 41 jobs: 2 failed.``"""
    put, failed = sum(seen.put for seen in commands), sum(seen.failed for seen in commands)
    text = f"{counted(len(commands), 'command')} {window} put {counted(put, 'job')}"
    return f"{text}: {failed} failed." if failed else f"{text}."


def progress_line(seen: CommandSeen, now_ns: int) -> list[Piece]:
    """Return ``put 1200, done 800, failed 3, running 4, waiting 396, ends in about 12 s``.

    Without started events the running and the waiting jobs are one number, and the line says so.
    """
    left = max(0, seen.put - seen.done)
    line = [Piece(f"put {seen.put}, done {seen.done}, "), Piece(f"failed {seen.failed}", FAILED if seen.failed else "")]
    if seen.tells_running:
        line.append(Piece(f", running {seen.running}, waiting {max(0, left - seen.running)}"))
    elif left:
        line.append(Piece(f", not done {left} (running or waiting: no started events tell)"))
    ends_s = seconds_left(seen, now_ns)
    return [*line, Piece(f", ends in about {duration(ends_s)}")] if ends_s is not None else line


def _cells(seen: CommandSeen, clock: Clock, ids: ShortIds) -> list[Piece]:
    own = seen.command
    return [
        Piece(clock.stamp(seen.start_ns)),
        piece(ids.short(seen.id)),
        piece(seen.name or "-"),
        exit_piece(own) if own else Piece("no end seen", CAUTION),
        Piece(duration(own.duration_s) if own else ""),
        Piece(str(seen.put)),
        Piece(str(seen.done)),
        Piece(str(seen.failed) if seen.failed else "", FAILED),
        Piece(str(seen.retries) if seen.retries else "", CAUTION),
        piece(own.host if own and own.host else ""),
    ]
