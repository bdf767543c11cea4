"""How a command was called and how it ended, as attributes: arguments without what looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jobspan import conventions as c
from jobspan.events import CommandFinished
from jobspan.recording.attributes.redaction import MASK, is_sensitive, redact

_MOST = 100
_LONGEST = 1024
_SECRET_WORDS = frozenset(
    ("auth", "authorization", "bearer", "cookie", "jwt", "key", "otp", "pass", "pin", "pw", "sas")
)
"""Words in the name of an option whose value is not shown, besides what is sensitive anywhere."""
_LONG_P = frozenset(("p", "password", "passwd", "passphrase", "pass", "pw", "pwd", "private-key"))
"""Options with one dash that are ``-p`` or begin like it: the value comes after them."""
_WORDS = re.compile(r"[-_.]")
_SPACES = re.compile(r"(\s+)")


def arguments_of(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return a command line that may leave the process.

    The value of an option that is named like a secret, and of ``-p``, is masked whether it follows after ``=``, after a
    space or at once; of ``-u`` and ``--user`` what follows a colon; what looks like a secret by itself (credentials in
    a URL, tokens) anywhere. An argument that is a command line itself is read as one.
    """
    return tuple(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…" for text in _masked(arguments[:_MOST]))


def _masked(arguments: Sequence[str]) -> Iterator[str]:
    mask: Callable[[str], str] | None = None
    for argument in map(str, arguments):
        if mask is not None and not argument.startswith("--"):
            yield mask(argument)
            mask = None
        else:
            text, mask = _shown(argument)
            yield text


def _shown(argument: str) -> tuple[str, Callable[[str], str] | None]:
    """Return an argument as it may be shown, and how the next one is to be masked, which is its value."""
    argument = argument[: 4 * _LONGEST]
    if " " in argument or "\n" in argument:
        return _line(redact(argument)), None
    if not argument.startswith("-"):
        return redact(argument), None
    name, equals, value = argument.partition("=")
    mask = _mask_of(name)
    if mask is not None:
        return (f"{name}={mask(value)}", None) if equals and value else (argument, mask)
    if argument.startswith("-p"):
        return f"-p{MASK}", None
    if argument.startswith("-u") and ":" in argument:
        return _without_password(argument), None
    return redact(argument), None


def _line(text: str) -> str:
    """Return a command line in one argument, as a shell is given, without the values of its options."""
    parts = _SPACES.split(text)
    parts[::2] = _masked(parts[::2])
    return "".join(parts)


def _mask_of(name: str) -> Callable[[str], str] | None:
    """Return how the value of an option is masked; None where it may be shown."""
    bare = name.lstrip("-").lower()
    if name.startswith("-p"):
        return _nothing if bare in _LONG_P else None
    if is_sensitive(bare) or not _SECRET_WORDS.isdisjoint(_WORDS.split(bare)):
        return _nothing
    return _without_password if name in {"-u", "--user", "--proxy-user"} else None


def _nothing(_: str) -> str:
    return MASK


def _without_password(user: str) -> str:
    name, colon, password = user.partition(":")
    return f"{name}:{MASK}" if colon and password else user


def attributes_at_the_end(event: CommandFinished) -> dict[str, Any]:
    """Return exit code, signal and outcome; nothing for a code that is not known."""
    attributes: dict[str, Any] = {}
    outcome = outcome_of(event)
    if outcome is not None:
        attributes[c.JOBSPAN_COMMAND_OUTCOME] = outcome
    if event.exit_code is not None:
        attributes[c.PROCESS_EXIT_CODE] = event.exit_code
    if event.signal is not None:
        attributes[c.JOBSPAN_COMMAND_EXIT_SIGNAL] = event.signal
    if event.pid is not None:
        attributes[c.PROCESS_PID] = event.pid
    return attributes


def outcome_of(event: CommandFinished) -> str | None:
    """Return how a command ended; None when it is not known."""
    if event.is_lost:
        return c.COMMAND_LOST
    if event.signal is not None:
        return c.COMMAND_INTERRUPTED
    if event.exit_code is None:
        return c.COMMAND_FAILED if event.error is not None else None
    return c.COMMAND_FAILED if event.exit_code else c.COMMAND_SUCCEEDED
