"""One span, or one started event, as a row of the store."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from jobspan import conventions as c
from jobspan.backends.store.rows import Row, SpanKey
from jobspan.backends.store.schema import PROMOTED
from jobspan.backends.values import attributes_to_json, attributes_to_text, list_to_text
from jobspan.errors import MalformedData
from jobspan.jobs import has_failed

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")

Sender = tuple[str | None, str, str | None]
"""Service, scope and the text of the resource: the last columns of a row, its resource still as text."""


class ImpossibleSpan(MalformedData):
    """A span that cannot be; the others of its request can."""


def span_row(span: Any, sender: Sender) -> Row:
    """Return a span's row.

    Raises:
        ImpossibleSpan: its ids are none, or it ends before it starts.
    """
    key = trace_key(span.trace_id, span.span_id)
    parent_id, start_ns, end_ns = _parent(span), span.start_time_unix_nano, span.end_time_unix_nano
    if not start_ns <= end_ns <= LAST_NS:
        raise ImpossibleSpan(f"span {span.span_id.hex()} starts at {start_ns} and ends at {end_ns} ns")
    promoted, rest = _promoted(span.attributes)
    status = _word(STATUSES, span.status.code)
    failed = has_failed(promoted[_OUTCOME], final=promoted[_FINAL], is_error=status == "error")
    return (
        *key,
        parent_id,
        start_ns,
        end_ns,
        span.name,
        _word(KINDS, span.kind),
        status,
        span.status.message or None,
        *promoted,
        attributes_to_text(rest),
        list_to_text([_link(link, span) for link in span.links]),
        list_to_text([_event(event) for event in span.events]),
        failed,
        *sender,
    )


def started_row(record: Any, name: str, at_ns: int, sender: Sender) -> Row:
    """Return the row of a ``jobspan.job.started`` or ``jobspan.command.started`` log record; its end is 0.

    Raises:
        ImpossibleSpan: it names no span, or no framework.
    """
    key = trace_key(record.trace_id, record.span_id)
    promoted, rest = _promoted(record.attributes)
    if name == c.EVENT_JOB_STARTED and promoted[_FRAMEWORK] is None:
        raise ImpossibleSpan(f"{name} of span {record.span_id.hex()} has no {c.JOBSPAN_FRAMEWORK}")
    if name == c.EVENT_JOB_STARTED:
        promoted[_OPERATION] = c.OPERATION_RUN
    ids_and_times = (*key, None, at_ns, 0)
    return (*ids_and_times, name, "", "", None, *promoted, attributes_to_text(rest), None, None, False, *sender)


def trace_key(trace_id: bytes, span_id: bytes) -> SpanKey:
    """Return the ids as the store's integers.

    Raises:
        ImpossibleSpan: wrong length, or all zero.
    """
    if len(trace_id) != _TRACE_BYTES or not any(trace_id):
        raise ImpossibleSpan(f"trace id {trace_id.hex() or '(empty)'} is not 16 bytes, not all zero")
    if len(span_id) != _SPAN_BYTES or not any(span_id):
        raise ImpossibleSpan(f"span id {span_id.hex() or '(empty)'} is not 8 bytes, not all zero")
    return _number(trace_id[:_SPAN_BYTES]), _number(trace_id[_SPAN_BYTES:]), _number(span_id)


def attributes_of(pairs: Iterable[Any]) -> dict[str, Any]:
    """Return OTLP's key-value pairs as a dict of Python values."""
    return {pair.key: _value(pair.value) for pair in pairs}


_TRACE_BYTES, _SPAN_BYTES = 16, 8
LAST_NS = 2**63 - 1
"""The last moment that the store can keep."""

_FIELDS = {"VARCHAR": "string_value", "BIGINT": "int_value", "DOUBLE": "double_value", "BOOLEAN": "bool_value"}
_COLUMNS = {promoted.attribute: (at, _FIELDS[promoted.type]) for at, promoted in enumerate(PROMOTED)}
_NO_COLUMN = (0, "")
_NONE: list[Any] = [None] * len(PROMOTED)
_FRAMEWORK, _OPERATION = _COLUMNS[c.JOBSPAN_FRAMEWORK][0], _COLUMNS[c.MESSAGING_OPERATION_NAME][0]
_OUTCOME, _FINAL = _COLUMNS[c.JOBSPAN_JOB_OUTCOME][0], _COLUMNS[c.JOBSPAN_JOB_FINAL][0]


def _promoted(pairs: Iterable[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the values that have columns, and the attributes that have none."""
    columns, rest = _NONE.copy(), {}
    for pair in pairs:
        key, value = pair.key, pair.value
        at, field = _COLUMNS.get(key, _NO_COLUMN)
        if field and value.HasField(field):
            columns[at] = getattr(value, field)
            if field != "double_value" or isfinite(columns[at]):
                continue
            columns[at] = None
        rest[key] = _value(value)
    return columns, rest


def _value(value: Any) -> Any:
    field = value.WhichOneof("value")
    if field is None:
        return None
    if field == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    if field == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return getattr(value, field)


def _parent(span: Any) -> int | None:
    parent = span.parent_span_id
    if not any(parent):
        return None
    if len(parent) != _SPAN_BYTES:
        raise ImpossibleSpan(f"parent id {parent.hex()} of span {span.span_id.hex()} is not 8 bytes")
    return _number(parent)


def _link(link: Any, span: Any) -> list[Any]:
    """Return a link; null means the span's own trace and its parent, which most links of jobspan name."""
    trace_id = None if link.trace_id == span.trace_id else link.trace_id.hex()
    span_id = None if link.span_id == span.parent_span_id and any(link.span_id) else link.span_id.hex()
    return [trace_id, span_id, attributes_to_json(attributes_of(link.attributes))]


def _event(event: Any) -> list[Any]:
    return [event.name, event.time_unix_nano, attributes_to_json(attributes_of(event.attributes))]


def _word(words: tuple[str, ...], number: int) -> str:
    return words[number] if 0 <= number < len(words) else words[0]


def _number(id_bytes: bytes) -> int:
    return int.from_bytes(id_bytes, "big")
