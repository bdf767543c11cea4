"""A row of the store as the span, or the run in flight, that it keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jobspan.backends.ids import span_text, trace_text
from jobspan.backends.store.schema import CONTENT_COLUMNS, PROMOTED
from jobspan.backends.values import attributes_from_json, attributes_from_text
from jobspan.runs import Link, Run, Span, SpanEvent, open_run_from_event

Row = tuple[Any, ...]
SpanKey = tuple[int, int, int]
"""Both halves of the trace id, and the span id."""

SELECTED = ", ".join((*(f"s.{name}" for name, _ in CONTENT_COLUMNS), "s.scope", "r.attributes"))
"""What a query selects for ``span_from_row``, from ``spans s`` and ``resources r``."""

_AT = {name: index for index, (name, _) in enumerate(CONTENT_COLUMNS)}
_PROMOTED_AT = tuple((_AT[promoted.column], promoted.attribute) for promoted in PROMOTED)
_SCOPE, _RESOURCE = -2, -1


def key_of(row: Row) -> SpanKey:
    """Return the ids of a row."""
    return row[0], row[1], row[2]


def span_from_row(row: Row, filed: Iterable[SpanEvent] = ()) -> Span:
    """Read a span.

    Args:
        row: the columns of ``SELECTED``.
        filed: its exceptions that arrived as log events.
    """
    high, low, span_id = key_of(row)
    trace_id = trace_text(high, low)
    parent_id = None if row[_AT["parent_id"]] is None else span_text(row[_AT["parent_id"]])
    return Span(
        trace_id=trace_id,
        span_id=span_text(span_id),
        parent_id=parent_id,
        name=row[_AT["name"]],
        kind=row[_AT["kind"]],
        start_ns=row[_AT["start_ns"]],
        end_ns=row[_AT["end_ns"]],
        status=row[_AT["status"]],
        status_message=row[_AT["status_message"]] or "",
        attributes=_attributes(row),
        links=_links(row[_AT["links"]], trace_id, parent_id),
        events=_with_filed(_events(row[_AT["events"]]), filed),
        resource=attributes_from_text(row[_RESOURCE]),
        scope=row[_SCOPE],
    )


def open_run_from_row(row: Row) -> Run:
    """Read a run in flight, from the row of its started event."""
    high, low, span_id = key_of(row)
    event = SpanEvent(row[_AT["name"]], row[_AT["start_ns"]], _attributes(row))
    return open_run_from_event(event, trace_text(high, low), span_text(span_id), attributes_from_text(row[_RESOURCE]))


def event_from_row(name: str, time_ns: int, attributes: str | None) -> SpanEvent:
    """Read an exception that arrived as a log event."""
    return SpanEvent(name, time_ns, attributes_from_text(attributes))


def _attributes(row: Row) -> Mapping[str, Any]:
    promoted = {attribute: row[index] for index, attribute in _PROMOTED_AT if row[index] is not None}
    rest = row[_AT["attributes"]]
    return promoted | attributes_from_text(rest) if rest else promoted


def _links(text: str | None, trace_id: str, parent_id: str | None) -> tuple[Link, ...]:
    """Read links; an id of null is the span's own trace, or its parent."""
    if text is None:
        return ()
    return tuple(
        Link(
            trace_id if trace is None else trace, parent_id or "" if span is None else span, attributes_from_json(rest)
        )
        for trace, span, rest in json.loads(text)
    )


def _events(text: str | None) -> tuple[SpanEvent, ...]:
    if text is None:
        return ()
    return tuple(SpanEvent(name, time_ns, attributes_from_json(rest)) for name, time_ns, rest in json.loads(text))


def _with_filed(events: tuple[SpanEvent, ...], filed: Iterable[SpanEvent]) -> tuple[SpanEvent, ...]:
    both = (*events, *filed)
    return events if len(both) == len(events) else tuple(sorted(both, key=lambda event: event.time_ns))
