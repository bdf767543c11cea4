"""How far a running command is, and when all of its jobs will be done."""

from __future__ import annotations

from jobspan.backends.base import Backend, CommandSeen, RunFilter


def command_progress(backend: Backend, command_id: str) -> CommandSeen | None:
    """Return a command with what became of its jobs so far; None before anything of it is kept."""
    return next(iter(backend.commands(RunFilter(commands=(command_id,), limit=1))), None)


def is_complete(seen: CommandSeen) -> bool:
    """Say whether the command has ended and all of its jobs have had their last run."""
    return seen.command is not None and seen.done >= seen.put


def seconds_left(seen: CommandSeen, now_ns: int) -> float | None:
    """Estimate the time until all jobs are done, at the pace so far; None before one is done, and after the last."""
    left, passed_s = seen.put - seen.done, (now_ns - seen.start_ns) / 1e9
    return left * passed_s / seen.done if left > 0 and seen.done and passed_s > 0 else None
