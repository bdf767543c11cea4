"""Which commands stand: what stands for a whole program makes way for a command that does the same work, and goes on
after it.
"""

from __future__ import annotations

import os
from collections.abc import Hashable

from jobspan.events import CommandStarted
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.registry.open_commands import OpenCommand, newest_of_process, open_commands
from jobspan.recording.spans.child_processes import keeper

aside: dict[Hashable | None, OpenCommand] = {}
"""What stood for a whole program and has made way."""


def stand(command: OpenCommand) -> None:
    """Keep a command where it survives this process."""
    if command.is_process:
        # A worker that started this process watches it for what the process is, not for its command.
        flight_log.open(command.span, keeper=keeper())
    flight_log.began(command.span, {}, is_safe=False)


def discard(command: OpenCommand) -> None:
    """Make none of it: its span is never ended."""
    command.is_discarded = True
    flight_log.closed(command.span)


def make_way(event: CommandStarted) -> None:
    """Set aside what stood for the same work, unless it has caused something already: then it is the parent."""
    replaced = open_commands.get(event.replaces) if event.replaces is not None else None
    if replaced is not None and not replaced.is_used:
        open_commands.take(event.replaces)
        discard(replaced)
        aside[event.replaces] = replaced


def go_on() -> None:
    """Let the program's own command go on once nothing stands for it any more; other threads may do the same."""
    if not aside or newest_of_process() is not None:
        return
    for key, command in list(aside.items()):
        command.is_discarded = False
        open_commands.add(key, command)
        if command.span.is_recording():
            stand(command)
        aside.pop(key, None)


if hasattr(os, "register_at_fork"):
    # What the child puts is the program's, whose command has to be there then.
    os.register_at_fork(before=go_on, after_in_child=aside.clear)
