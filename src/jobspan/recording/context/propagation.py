"""Context onto a message and back: the configured propagator's fields and our own text beside them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext

from jobspan import conventions as c
from jobspan.named_tuple import NamedTuple
from jobspan.recording.context import message_field, w3c_fast_path
from jobspan.recording.context.message_field import NOTHING, MessageField
from jobspan.recording.context.otel_context import span_in
from jobspan.recording.safety import dropped
from jobspan.recording.safety.interrupts import is_interrupt

_logger = logging.getLogger("jobspan.propagation")
_BAGGAGE = "baggage"
_said_nothing_travels = False
_known: tuple[TextMapPropagator | None, frozenset[str]] = None, frozenset()


class Incoming(NamedTuple):
    """What a message brought: the context to run in, the span that published it (may be invalid), our field."""

    context: Context
    publisher: SpanContext
    field: MessageField


class _TextGetter(Getter[Mapping[str, Any]]):
    """Reads text values only: headers come from anywhere, and propagators expect text."""

    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get(key)
        return [value] if isinstance(value, str) else None

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return list(carrier)


_GETTER = _TextGetter()


def write(carrier: MutableMapping[str, Any], context: Context, field: str) -> None:
    """Put the context and jobspan's field, as it is written, on a message that is about to leave.

    What an earlier attempt left there is removed first: libraries copy headers into retries. Baggage that came without
    our field is the caller's own header, which only baggage of the context takes the place of.
    """
    propagator = propagate.get_global_textmap()
    names = _fields_of(propagator)
    if not names:
        _say_once_that_nothing_travels()
    if not names.isdisjoint(carrier):
        is_copied = c.FIELD in carrier
        for name in names:
            if is_copied or name != _BAGGAGE:
                carrier.pop(name, None)
    if not (w3c_fast_path.is_default(propagator) and w3c_fast_path.injected(carrier, context)):
        propagator.inject(carrier, context=context)
    carrier[c.FIELD] = field


def read(carrier: Mapping[str, Any], base: Context) -> Incoming:
    """Take the context and our field off a message. Garbage is ignored and counted."""
    field = read_field(carrier)
    context = _extracted(carrier, base)
    if context is None:
        return Incoming(base, INVALID_SPAN_CONTEXT, field)
    publisher = span_in(context).get_span_context()
    if not publisher.is_valid:
        publisher = INVALID_SPAN_CONTEXT
        if carrier.get("traceparent") is None:
            pass
        elif not _fields_of(propagate.get_global_textmap()):
            _say_once_that_nothing_travels()
        else:
            dropped.count(dropped.UNREADABLE_CONTEXT, "a message came with a traceparent that is none")
    return Incoming(context, publisher, field)


def peek(carrier: Mapping[str, Any], base: Context) -> tuple[Context, SpanContext] | None:
    """Return the context on a message and the span that published it; None where ``read`` has more to say."""
    try:
        context = _extract(carrier, base)
    except Exception as error:
        if is_interrupt(error):
            raise
        return None  # counted by ``read``
    publisher = span_in(context).get_span_context()
    return (context, publisher) if publisher.is_valid or carrier.get("traceparent") is None else None


def read_field(carrier: Mapping[str, Any]) -> MessageField:
    """Take our field off a message."""
    text = carrier.get(c.FIELD)
    if text is None:
        return NOTHING
    field = message_field.decode(text)
    if field is None:
        dropped.count(dropped.UNREADABLE_FIELD, f"a message came with a {c.FIELD} that is none of ours")
        return NOTHING
    return field


def is_on(carrier: Mapping[str, Any]) -> bool:
    """Say whether a message carries anything that ``read`` would look at."""
    if c.FIELD in carrier or c.MEMBERS_FIELD in carrier:
        return True
    for name in _fields_of(propagate.get_global_textmap()):  # noqa: SIM110 - for every job: no generator
        if name in carrier:
            return True
    return False


def of_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of an environment that carries context, by the names that a message has for it."""
    names = (*propagate.get_global_textmap().fields, c.FIELD)
    found = {name: environ.get(variable(name)) for name in names}
    return {name: value for name, value in found.items() if value}


def variable(name: str) -> str:
    """Return the environment variable in which a field of the carrier travels: ``TRACEPARENT``."""
    return name.upper().replace("-", "_")


def _fields_of(propagator: TextMapPropagator) -> frozenset[str]:
    """Return what a propagator writes, worked out once: those made of several put it together at each call."""
    global _known  # noqa: PLW0603 - a propagator of the user's may be one that no table takes as a key
    if _known[0] is not propagator:
        _known = propagator, frozenset(propagator.fields)
    return _known[1]


def _say_once_that_nothing_travels() -> None:
    global _said_nothing_travels  # noqa: PLW0603 - once a process
    if not _said_nothing_travels:
        _said_nothing_travels = True
        _logger.warning(
            "the global propagator has no fields, so no context travels with jobs and every run begins its own trace: "
            "set OTEL_PROPAGATORS=tracecontext,baggage, or `propagator` in the file of OTEL_CONFIG_FILE"
        )


def _extract(carrier: Mapping[str, Any], base: Context) -> Context:
    propagator = propagate.get_global_textmap()
    found = w3c_fast_path.extracted(carrier, base) if w3c_fast_path.is_default(propagator) else None
    return propagator.extract(carrier, base, _GETTER) if found is None else found


def _extracted(carrier: Mapping[str, Any], base: Context) -> Context | None:
    try:
        return _extract(carrier, base)
    except Exception as error:
        if is_interrupt(error):
            raise
        # A propagator may be the application's, and some trip over texts that they would not write.
        dropped.count(dropped.UNREADABLE_CONTEXT, f"a message came with a context that cannot be read: {error!r}")
        return None
