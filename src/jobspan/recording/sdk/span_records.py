"""The SDK's spans as plain values, and spans written from such values with the identity that they were promised."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import (
    DEFAULT_TRACE_STATE,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from jobspan.flight.records import Plain, SpanRecord

_Context = tuple[int, int, int, str, bool]
_ATTRIBUTES, _LINKS = map(SpanRecord._fields.index, ("attributes", "links"))


def record_of(
    span: Any, end_ns: int | None = None, more: dict[str, Any] | None = None, is_safe: bool = False
) -> Plain | None:
    """Return what a span of the SDK holds, as the values of a ``SpanRecord``; None when it is not the SDK's."""
    try:
        (trace_id, span_id, _, state, _), parent, status = _plain(span.context), span.parent, span.status
        return (
            trace_id,
            span_id,
            state,
            None if parent is None else _plain(parent),
            span.name,
            span.kind._value_,  # a third of the time that the property takes
            span.start_time,
            _values(span._attributes),  # noqa: SLF001 - no copy
            _links_of(span),
            end_ns,
            (status.status_code._value_, status.description),
            _events_of(span),
            more,
            is_safe,
        )
    except AttributeError:
        return None


def ending_of(span: Any, end_ns: int, begun: Plain) -> Plain | None:
    """Return what a span has become since its record was made, as the values of an ``Ending``.

    None when it has lost some of what it held: the SDK keeps so many attributes and drops the oldest.
    """
    now, before, links = _values(span._attributes), begun[_ATTRIBUTES], span._links  # noqa: SLF001 - no copy
    if not before.keys() <= now.keys():
        return None
    status = span.status
    return (
        end_ns,
        span.name,
        (status.status_code._value_, status.description),
        {name: value for name, value in now.items() if before.get(name) is not value},
        _links_of(span) if len(links) != len(begun[_LINKS]) or links.dropped else None,
        _events_of(span),
    )


def resource_of(span: Any) -> dict[str, Any]:
    """Return the attributes of a span's resource; none when it is not the SDK's."""
    resource = getattr(span, "resource", None)
    return dict(resource.attributes) if resource is not None else {}


def begin_as_promised(tracer: Tracer, record: SpanRecord, resource: Mapping[str, Any]) -> Span | None:
    """Begin the span of a record with its own ids, start, parent, links and resource; None without the SDK.

    All that the record holds is on it: what it does not hold, and the end, are the caller's.
    """
    own = _promised_tracer(tracer, record, resource)
    if own is None:
        return None
    span: Span = own.start_span(
        record.name,
        context=Context() if record.parent is None else set_span_in_context(_remote(record.parent), Context()),
        kind=SpanKind(record.kind),
        attributes=record.attributes,
        links=[Link(_context(context), attributes) for context, attributes in record.links],
        start_time=record.start_ns,
    )
    for name, at_ns, attributes in record.events:
        span.add_event(name, attributes, timestamp=at_ns)
    code, description = record.status
    if StatusCode(code) is not StatusCode.UNSET:
        span.set_status(Status(StatusCode(code), description))
    return span


def _promised_tracer(tracer: Tracer, record: SpanRecord, resource: Mapping[str, Any]) -> Any:
    """Return a copy of the SDK's tracer whose next span has the ids of the record; None when it is not the SDK's."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

    real: Any = getattr(tracer, "_tracer", tracer)
    if not (hasattr(real, "id_generator") and hasattr(real, "sampler") and hasattr(real, "resource")):
        return None

    class Promised(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return record.trace_id

        def generate_span_id(self) -> int:
            return record.span_id

    class Sampled(Sampler):
        # It was sampled when it began: only such spans are in a record.
        def should_sample(
            self,
            parent_context: Any,
            trace_id: int,
            name: str,
            kind: Any = None,
            attributes: Any = None,
            *_: Any,
            **__: Any,
        ) -> SamplingResult:
            state = TraceState.from_header([record.trace_state]) if record.trace_state else None
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, state)

        def get_description(self) -> str:
            return "as promised"

    own = copy.copy(real)
    own.id_generator, own.sampler = Promised(), Sampled()
    if resource:
        own.resource = Resource(dict(resource), getattr(real.resource, "schema_url", None))
    return own


def _values(attributes: Any) -> dict[str, Any]:
    # The public way asks for one by one under a lock, 5 µs for a span's instead of 0.2.
    inner = getattr(attributes, "_dict", None)
    return dict(inner if inner is not None else attributes or {})


def _links_of(span: Any) -> list[tuple[_Context, dict[str, Any]]]:
    links = span._links  # noqa: SLF001 - no copy
    return [(_plain(link.context), _values(link.attributes)) for link in links] if links else []


def _events_of(span: Any) -> tuple[tuple[str, int, dict[str, Any]], ...]:
    events = span._events  # noqa: SLF001 - no copy
    return tuple([(event.name, event.timestamp, _values(event.attributes)) for event in events]) if events else ()


def _plain(context: SpanContext) -> _Context:
    trace_id, span_id, is_remote, flags, state, _ = context  # a tuple, whose properties cost as much as all the rest
    return trace_id, span_id, flags | 0, "" if state is DEFAULT_TRACE_STATE else _text(state), is_remote


def _text(state: TraceState) -> str:
    return state.to_header() if state else ""


def _context(plain: _Context) -> SpanContext:
    trace_id, span_id, flags, state, is_remote = plain
    return SpanContext(
        trace_id,
        span_id,
        is_remote=is_remote,
        trace_flags=TraceFlags(flags),
        trace_state=TraceState.from_header([state]) if state else None,
    )


def _remote(plain: _Context) -> NonRecordingSpan:
    return NonRecordingSpan(_context(plain))
