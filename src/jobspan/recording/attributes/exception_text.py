"""An exception as telemetry: its type, its redacted message, its stack cut to the innermost frames."""

from __future__ import annotations

import traceback
from types import TracebackType

from jobspan import conventions as c
from jobspan.jobs import Framework
from jobspan.named_tuple import NamedTuple
from jobspan.recording.attributes.redaction import redact

_TASK_LIBRARIES = frozenset(framework.value for framework in Framework)
_MESSAGE_LIMIT = 4096
_STACK_LIMIT = 32768
# What is cut away before redaction is cut where half a secret may be left, and cut again after it: further in.
_READ_LIMIT = _MESSAGE_LIMIT + 4096


class ExceptionText(NamedTuple):
    """What is recorded of an exception; ``message`` is None when messages are off."""

    type: str
    message: str | None
    stacktrace: str | None

    def attributes(self) -> dict[str, str]:
        """Return the semantic convention's attributes of the exception."""
        found = {
            c.EXCEPTION_TYPE: self.type,
            c.EXCEPTION_MESSAGE: self.message,
            c.EXCEPTION_STACKTRACE: self.stacktrace,
        }
        return {name: value for name, value in found.items() if value is not None}


def type_name(error: BaseException) -> str:
    """Return the qualified class name: ``ValueError``, ``shop.errors.CardError``."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def shortened(message: str) -> str:
    """Return a message without secrets, cut to what is recorded of one."""
    return redact(message[:_READ_LIMIT])[:_MESSAGE_LIMIT]


def describe(error: BaseException, *, frames: int, with_message: bool) -> ExceptionText:
    """Put an exception into words.

    Args:
        error: the exception, with its traceback and causes.
        frames: innermost frames kept of each stack; 0 for no stack.
        with_message: False leaves out every message, also those of causes.
    """
    return ExceptionText(
        type=type_name(error),
        message=shortened(_message(error)) if with_message else None,
        stacktrace=_stack(error, frames, with_message) if frames else None,
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the job's own __str__ may do anything
        return f"<{type_name(error)} without a printable message>"


def _stack(error: BaseException, frames: int, with_message: bool) -> str | None:
    try:
        stack = _own_part(error.__traceback__)
        story = traceback.TracebackException(type(error), error, stack, limit=-frames, compact=True)
        lines = story.format() if with_message else _without_messages(story, error)
        text = redact("".join(lines)[-_STACK_LIMIT - 4096 :])
    except Exception:  # noqa: BLE001 - a stack that cannot be formatted is worth less than the rest
        return None
    return text if len(text) <= _STACK_LIMIT else "…\n" + text[-_STACK_LIMIT:]


def _own_part(stack: TracebackType | None) -> TracebackType | None:
    """Leave out the task library's frames around the job; an exception of the library itself keeps all."""
    inner = stack
    while inner is not None and _package_of(inner) in _TASK_LIBRARIES:
        inner = inner.tb_next
    return inner or stack


def _package_of(stack: TracebackType) -> str:
    return str(stack.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _without_messages(story: traceback.TracebackException, error: BaseException) -> list[str]:
    return ["Traceback (most recent call last):\n", *story.stack.format(), f"{type_name(error)}\n"]
