"""What all ways to run a command share: the process around it, and how it leaves."""

from __future__ import annotations

import os

from jobspan.recording.context.propagation import of_environment

SCRIPT = "jobspan-script"
"""Key of the command that is the whole program; one that knows more of the same work replaces it."""


def surroundings() -> dict[str, str]:
    """Return the context that this process was started with."""
    return of_environment(os.environ)


def exit_code(error: BaseException | None) -> int:
    """Return the exit status that the interpreter makes of how the program ended."""
    if error is None:
        return 0
    return code_of(error.code) if isinstance(error, SystemExit) else 1


def interrupt_of(error: BaseException | None) -> str | None:
    """Return the signal that a program dies of when this leaves it: of Ctrl-C as of the signal itself."""
    return "SIGINT" if isinstance(error, KeyboardInterrupt) else None


def error_to_record(error: BaseException | None, code: int | None) -> BaseException | None:
    """Return the exception to record beside its code; None for one that is only a way to leave."""
    return None if isinstance(error, SystemExit) or code == 0 else error


def code_of(status: object) -> int:
    """Return the exit status that the interpreter makes of what ``sys.exit`` was given."""
    if status is None:
        return 0
    return status & 0xFF if isinstance(status, int) else 1
