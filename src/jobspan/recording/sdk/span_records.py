"""The SDK's spans as plain values, and spans written from such values with the identity that they were promised.

A span's values are read from where it keeps them: its properties cost several times as much, and this is done for each
span of each job.
"""

# ruff: noqa: SLF001

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from itertools import islice
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
_NONE = (None, None)
_NAME, _ATTRIBUTES, _LINKS = map(SpanRecord._fields.index, ("name", "attributes", "links"))


def record_of(
    span: Any, end_ns: int | None = None, more: dict[str, Any] | None = None, is_safe: bool = False
) -> Plain | None:
    """Return what a sampled span of the SDK holds, as the values of a ``SpanRecord``; None of any other."""
    try:
        trace_id, span_id, _, flags, state, _ = span._context
        if not flags & TraceFlags.SAMPLED:
            return None
        parent, status, attributes = span._parent, span._status, span._attributes
        links, events = span._links._dq, span._events._dq
        above = None if parent is None else _plain(parent)
        return (
            trace_id,
            span_id,
            "" if state is DEFAULT_TRACE_STATE else _text(state),
            above,
            span._name,
            span._kind._value_,
            span._start_time,
            dict(getattr(attributes, "_dict", attributes)),  # its own way asks for one by one under a lock
            _links_of(links, parent, above) if links else [],
            end_ns,
            (status._status_code._value_, status._description),
            _events_of(events) if events else (),
            more,
            is_safe,
        )
    except AttributeError:
        return None


def ending_of(span: Any, end_ns: int, begun: Plain) -> Plain | None:
    """Return what a span has become since its record was made, as the values of an ``Ending``.

    None when it is no longer what it was and more. An attribute that is set again goes behind all others, and the first
    is dropped when there are too many: so long as the last of those before is where it was, none of them has changed.
    """
    attributes, status = span._attributes, span._status
    links, events = span._links._dq, span._events._dq
    name_before, before, links_before = begun[_NAME], begun[_ATTRIBUTES], begun[_LINKS]
    last, last_value = next(reversed(before.items()), _NONE)
    try:
        rest = islice(getattr(attributes, "_dict", attributes).items(), max(len(before) - 1, 0), None)
        name, value = next(rest, _NONE) if before else _NONE
        if name is not last or value is not last_value:
            return None
        added = dict(rest)
    except RuntimeError:  # another thread sets one
        return None
    is_linked = len(links) != len(links_before) or span._links.dropped
    if status._status_code is StatusCode.UNSET and span._name is name_before and not events and not is_linked:
        return end_ns, added
    return (
        end_ns,
        added,
        span._name,
        (status._status_code._value_, status._description),
        _events_of(events),
        _links_of(links) if is_linked else links_before,
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
    inner = getattr(attributes, "_dict", None)
    return dict(inner if inner is not None else attributes or {})


def _links_of(
    links: Any, parent: SpanContext | None = None, above: _Context | None = None
) -> list[tuple[_Context, dict[str, Any]]]:
    return [
        (above if above is not None and link._context is parent else _plain(link._context), _values(link._attributes))
        for link in list(links)
    ]


def _events_of(events: Any) -> tuple[tuple[str, int, dict[str, Any]], ...]:
    return tuple([(event.name, event.timestamp, _values(event.attributes)) for event in list(events)])


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
