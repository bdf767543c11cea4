"""How a command was called and how it ended, as attributes: arguments without what looks like a secret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobspan import conventions as c
from jobspan.events import CommandFinished
from jobspan.recording.redaction import MASK, is_sensitive, redact

_MOST = 100
_LONGEST = 1024


def arguments_of(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line that may leave the process.

    The value of an option that is named like a secret, and of ``-p``, is masked whether it follows after ``=``, after a
    space or at once; what looks like a secret by itself (credentials in a URL, tokens) is masked anywhere.
    """
    shown: list[str] = []
    is_secret = False
    for argument in map(str, arguments[:_MOST]):
        if is_secret and not argument.startswith("--"):
            shown.append(MASK)
            is_secret = False
            continue
        text, is_secret = _shown(argument)
        shown.append(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
    return tuple(shown)


def _shown(argument: str) -> tuple[str, bool]:
    """Return an argument as it may be shown, and whether the next one is its secret."""
    if argument == "-p":
        return argument, True
    if argument.startswith("-p"):
        return f"-p{MASK}", False
    if argument.startswith("-") and is_sensitive(argument.partition("=")[0]):
        name, equals, _ = argument.partition("=")
        return (f"{name}={MASK}", False) if equals else (name, True)
    return redact(argument[: 4 * _LONGEST]), False


def attributes_at_the_end(event: CommandFinished) -> dict[str, Any]:
    """Return exit code, signal and outcome; of a code that nobody knows, nothing."""
    said: dict[str, Any] = {}
    outcome = outcome_of(event)
    if outcome is not None:
        said[c.JOBSPAN_COMMAND_OUTCOME] = outcome
    if event.exit_code is not None:
        said[c.PROCESS_EXIT_CODE] = event.exit_code
    if event.signal is not None:
        said[c.JOBSPAN_COMMAND_EXIT_SIGNAL] = event.signal
    if event.pid is not None:
        said[c.PROCESS_PID] = event.pid
    return said


def outcome_of(event: CommandFinished) -> str | None:
    """Return how a command ended; None when nobody knows."""
    if event.is_lost:
        return c.COMMAND_LOST
    if event.signal is not None:
        return c.COMMAND_INTERRUPTED
    if event.exit_code is None:
        return c.COMMAND_FAILED if event.error is not None else None
    return c.COMMAND_FAILED if event.exit_code else c.COMMAND_SUCCEEDED
