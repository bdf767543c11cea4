"""``jobspan show ID --watch``: how far a running command is, until all of its jobs are done."""

from __future__ import annotations

from jobspan.backends.base import Backend, CommandSeen
from jobspan.cli.environment import Environment
from jobspan.cli.screens.commands_screen import progress_line
from jobspan.cli.terminal.screen import Piece, Screen
from jobspan.cli.terminal.units import duration
from jobspan.questions.progress import command_progress, is_complete

_BETWEEN_S = 1.0
_QUIET_S = 60


def watch(backend: Backend, command_id: str, environment: Environment, screen: Screen) -> None:
    """Write a line whenever something has changed; return when the command has ended and nothing is left to do.

    A job may wait for hours, or be lost with its broker: a line then says that nothing has changed, ever less often.
    """
    before: CommandSeen | None = None
    since_ns, quiet_s = environment.now_ns(), _QUIET_S
    while True:
        seen = command_progress(backend, command_id)
        if seen is not None and seen != before:
            screen.line(*progress_line(seen, environment.now_ns()))
            before, since_ns, quiet_s = seen, environment.now_ns(), _QUIET_S
        if seen is not None and is_complete(seen):
            return
        if environment.now_ns() - since_ns >= quiet_s * 1e9:
            screen.line(Piece(f"nothing new for {duration(quiet_s)}; Ctrl-C ends this, and stops nothing"))
            quiet_s *= 2
        environment.pause(_BETWEEN_S)
