"""The command of a whole program: suspended for a command that does the same work, and resumed after it."""

from __future__ import annotations

from collections.abc import Hashable

from jobspan import forks
from jobspan.events import CommandStarted
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.registry.open_commands import OpenCommand, newest_of_process, open_commands
from jobspan.recording.spans.child_processes import supervisor

suspended: dict[Hashable | None, OpenCommand] = {}
"""The commands of whole programs that another command of the same work has replaced for now."""


def keep_on_record(command: OpenCommand) -> None:
    """Keep a command where it survives this process."""
    if command.is_process:
        # A worker that started this process watches it for what the process is, not for its command.
        flight_log.open(command.span, supervisor=supervisor())
    flight_log.record_open(command.span, {}, is_safe=False)


def discard(command: OpenCommand) -> None:
    """Record none of it: its span is never ended."""
    command.is_discarded = True
    flight_log.clear(command.span)


def suspend_replaced(event: CommandStarted) -> None:
    """Suspend the command that was open for the same work, unless it has caused something: then it is the parent."""
    replaced = open_commands.get(event.replaces) if event.replaces is not None else None
    if replaced is not None and not replaced.is_used:
        open_commands.take(event.replaces)
        discard(replaced)
        suspended[event.replaces] = replaced


def resume() -> None:
    """Resume the program's own command once no command replaces it any more; other threads may do the same."""
    if not suspended or newest_of_process() is not None:
        return
    for key, command in list(suspended.items()):
        command.is_discarded = False
        open_commands.add(key, command)
        if command.span.is_recording():
            keep_on_record(command)
        suspended.pop(key, None)


# What the child publishes belongs to the program, whose command has to be open by then.
forks.join("program command", before=resume, in_child=suspended.clear)
