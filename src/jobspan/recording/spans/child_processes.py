"""The processes that a command's process forks or spawns: what they could not export, it recovers.

One that publishes a job keeps a flight file that names the command's file as its supervisor. However it ends,
terminated by its pool, killed, or by ``os._exit``, what it left is read when the command's process exports
what it has; if that is dead too, by the next process with the same state folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from opentelemetry.trace import Span

from jobspan import forks
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.registry import child_job_counts
from jobspan.recording.registry.open_commands import newest_of_process
from jobspan.recording.sdk.flush import before
from jobspan.recording.spans.command_origin import id_of

_MOST_FILES = 200
"""A collector that is away for long must not fill the folder: what is published past that is sent or lost."""

has_published = False
"""Whether this process has ended a publish itself, and not only the one that it was forked from."""

_supervisor = ""
_has_children = False
_recover: Callable[[Path], None] | None = None


def recover_with(recover: Callable[[Path], None]) -> None:
    """Recover with this what dead children left, before each flush."""
    global _recover  # noqa: PLW0603 - one a process
    _recover = recover
    before(_recover_dead)


def inherited_by_child() -> dict[str, str]:
    """Return what a child is given before it starts, for ``join_parent``; empty where no command starts it."""
    global _has_children  # noqa: PLW0603 - one a process
    command = newest_of_process()
    if command is None:
        return {}
    _has_children = True
    command_id = child_job_counts.command_of_child(id_of(command.span))
    return {"supervisor": flight_log.name or _supervisor, "command": command_id}


def join_parent(inherited: Mapping[str, str]) -> None:
    """Be a child of the process that gave this."""
    global _supervisor, _has_children
    _supervisor, _has_children = inherited.get("supervisor", ""), False
    child_job_counts.count_for(inherited.get("command", "") if _supervisor else "", _supervisor)


def leave_parent() -> None:
    """Be no longer a child of another process."""
    join_parent({})


def supervisor() -> str:
    """Return the name of the flight file of the process that recovers what this child leaves; empty: it is no child."""
    return _supervisor


def first_publish(span: Span) -> None:
    """Note the end of this process's first publish: from now on it has a flight file, if it is a child."""
    global has_published  # noqa: PLW0603 - one a process
    has_published = True
    if not _supervisor or flight_log.name is not None or not flight_log.has_exporter:
        return
    folder = flight_log.folder
    if folder is not None and sum(1 for _ in folder.iterdir()) < _MOST_FILES:
        flight_log.open(span, supervisor=_supervisor)


def _recover_dead() -> None:
    folder, name = flight_log.folder if _has_children else None, flight_log.name
    if folder is None or name is None or _recover is None:
        return
    from jobspan.flight import reading  # with file locks, which not every system has that has no such file either

    for path in reading.supervised_by(folder, name):
        if reading.is_orphaned(path):
            _recover(path)


_before_fork: list[dict[str, str]] = [{}]


def _remember() -> None:
    _before_fork[0] = inherited_by_child()


def _inherit() -> None:
    global has_published  # noqa: PLW0603 - one a process
    has_published = False
    join_parent(_before_fork[0])


forks.join("child processes", before=_remember, in_child=_inherit)
