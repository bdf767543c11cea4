"""The usual case of the default propagators in a part of the time: a ``traceparent`` and nothing beside it.

Each returns that there is more to it where it is not that case; then the propagators themselves are used.
https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jobspan.recording.context.otel_context import inside, span_in

_TRACEPARENT, _TRACESTATE, _BAGGAGE = "traceparent", "tracestate", "baggage"
_SHAPE = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_BAGGAGE_KEY = next(iter(baggage.set_baggage("any", "thing", Context())))
_FLAGS = {"01": TraceFlags(TraceFlags.SAMPLED)}
_ODD = frozenset("13579bdf")
_DEFAULT = [TraceContextTextMapPropagator, W3CBaggagePropagator]
_known: tuple[TextMapPropagator | None, bool] = None, False


def is_default(propagator: TextMapPropagator) -> bool:
    """Say whether a propagator is what OpenTelemetry sets where the application sets none; looked up once."""
    global _known  # noqa: PLW0603 - a propagator of the user's may be one that no table takes as a key
    if _known[0] is not propagator:
        parts = getattr(propagator, "_propagators", ())
        _known = propagator, type(propagator) is CompositePropagator and [type(each) for each in parts] == _DEFAULT
    return _known[1]


def looks_sampled(carrier: Mapping[str, Any]) -> bool:
    """Say whether a context came along with the sampled flag set, which is the last bit of its last digit."""
    traceparent = carrier.get(_TRACEPARENT)
    return isinstance(traceparent, str) and traceparent[-1:] in _ODD


def injected(carrier: MutableMapping[str, Any], context: Context) -> bool:
    """Put a context on a carrier that has none; False: there is more to it, and nothing was put."""
    found = span_in(context).get_span_context()
    if not found.is_valid or found.trace_state or context.get(_BAGGAGE_KEY):
        return False
    carrier[_TRACEPARENT] = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"
    return True


def extracted(carrier: Mapping[str, Any], base: Context) -> Context | None:
    """Return the context on a carrier on top of another; None: there is more to it."""
    if _TRACESTATE in carrier or _BAGGAGE in carrier:
        return None
    traceparent = carrier.get(_TRACEPARENT)
    if traceparent is None:
        return base
    match = _SHAPE.fullmatch(traceparent) if isinstance(traceparent, str) else None
    if match is None:
        return None
    trace_id, span_id, flags = match.groups()
    sampled = _FLAGS.get(flags) or TraceFlags(int(flags, 16))
    found = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=sampled)
    return inside(NonRecordingSpan(found), base) if found.is_valid else None
