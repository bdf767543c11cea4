"""What a job was called with, as text that may leave: redacted by key and by pattern, and cut."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jobspan import conventions as c
from jobspan.events import Arguments
from jobspan.recording.attributes.redaction import MASK, is_sensitive, redact
from jobspan.recording.safety import dropped
from jobspan.recording.safety.interrupts import is_interrupt

_LIMIT = 1024
_DEPTH = 4
_MOST_ITEMS = 50


class _Masked:
    def __repr__(self) -> str:
        return MASK


_MASKED = _Masked()


def attributes_of(arguments: Callable[[], Arguments] | None) -> dict[str, str]:
    """Return ``jobspan.job.args`` and ``.kwargs``; a text that the caller gave to be shown goes before the values.

    Values whose own methods raise are not shown, and counted.
    """
    if arguments is None:
        return {}
    try:
        return _shown(arguments())
    except Exception as error:
        if is_interrupt(error):
            raise
        dropped.count(dropped.UNPRINTABLE_ARGUMENTS, f"arguments of a job could not be put into words: {error!r}")
        return {}


def _shown(arguments: Arguments) -> dict[str, str]:
    args, kwargs = list(arguments.args or ()), dict(arguments.kwargs or {})
    names = _parameters(arguments.function)
    args_text, kwargs_text = arguments.shown() if arguments.shown is not None else (None, None)
    return {
        c.JOBSPAN_JOB_ARGS: _text(args_text, lambda: _positional(args, names), zip(names, args, strict=False)),
        c.JOBSPAN_JOB_KWARGS: _text(kwargs_text, lambda: _clean(kwargs, _DEPTH), kwargs.items()),
    }


def _text(given: str | None, clean: Callable[[], Any], named: Iterable[tuple[str, Any]]) -> str:
    if given is not None and any(secret in given for secret in _secrets(named)):
        return MASK
    text = redact((given if given is not None else _SHORT.repr(clean()))[: 4 * _LIMIT])
    return text if len(text) <= _LIMIT else text[: _LIMIT - 1] + "…"


def _secrets(named: Iterable[tuple[str, Any]]) -> list[str]:
    """Return the values under a name like that of a secret: no text may show them."""
    values = [str(value) for name, value in named if is_sensitive(str(name))]
    return [text for text in values if text not in ("", "None", "True", "False", "0", "1")]


def _positional(args: list[Any], names: list[str]) -> list[Any]:
    """Return the positional arguments, without those whose parameter is named like a secret."""
    return [
        _MASKED if number < len(names) and is_sensitive(names[number]) else _clean(value, _DEPTH)
        for number, value in enumerate(args)
    ]


def _parameters(function: Callable[..., Any] | None) -> list[str]:
    if function is None:
        return []
    try:
        return list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return []


def _clean(value: Any, depth: int) -> Any:
    """Return a value without what is under a key that is named like a secret."""
    if depth == 0 or not isinstance(value, (Mapping, list, tuple)):
        return value
    if isinstance(value, Mapping):
        items = list(value.items())[:_MOST_ITEMS]
        return {key: _MASKED if is_sensitive(str(key)) else _clean(item, depth - 1) for key, item in items}
    return [_clean(item, depth - 1) for item in value[:_MOST_ITEMS]]


_SHORT = reprlib.Repr()
_SHORT.maxlevel = _DEPTH
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxset = 20
_SHORT.maxstring = _SHORT.maxother = 200
