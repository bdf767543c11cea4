"""``jobspan show ID --watch``: how far a running command is, until all of its jobs are done."""

from __future__ import annotations

from jobspan.backends.base import Backend, CommandSeen, RunFilter
from jobspan.cli.commands_screen import progress_line
from jobspan.cli.screen import Screen
from jobspan.cli.world import World

_BETWEEN_S = 1.0


def watch(backend: Backend, command_id: str, world: World, screen: Screen) -> None:
    """Write a line whenever something has changed; return when the command has ended and nothing is left to do."""
    before: CommandSeen | None = None
    while True:
        seen = next(iter(backend.commands(RunFilter(commands=(command_id,), limit=1))), None)
        if seen is not None and seen != before:
            screen.line(*progress_line(seen, world.now_ns()))
            before = seen
        if seen is not None and seen.command is not None and seen.done >= seen.put:
            return
        world.pause(_BETWEEN_S)
