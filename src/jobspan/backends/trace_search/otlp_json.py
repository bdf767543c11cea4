"""Spans out of OTLP's JSON, as backends give traces back.

Ids are hex (OTLP, Jaeger) or base64 (plain protobuf JSON, Tempo), kinds and status codes numbers or names.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from jobspan.runs import Link, Span, SpanEvent

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16

JsonObject = Mapping[str, Any]


def spans_of(trace: JsonObject) -> list[Span]:
    """Return the spans of an object with ``resourceSpans`` (``batches`` in Tempo before 2.7)."""
    return [
        _span(span, scope=str((scoped.get("scope") or {}).get("name", "")), resource=resource)
        for group in trace.get("resourceSpans") or trace.get("batches") or ()
        for resource in [attributes_of((group.get("resource") or {}).get("attributes"))]
        for scoped in group.get("scopeSpans") or ()
        for span in scoped.get("spans") or ()
    ]


def attributes_of(pairs: Iterable[JsonObject] | None) -> dict[str, Any]:
    """Return a list of keys and values as a dict; what Jaeger adds of its own is left out."""
    return {pair["key"]: value_of(pair.get("value") or {}) for pair in pairs or () if not _is_jaegers(pair["key"])}


def value_of(content: JsonObject) -> Any:
    """Return a value; a list comes as a tuple, as the SDK keeps it."""
    for kind, value in content.items():
        return _READERS[kind](value)
    return None


def hex_id(text: str | None, digits: int) -> str:
    """Return an id as hex; empty where there is none."""
    if not text:
        return ""
    return text.lower() if len(text) == digits else b64decode(text).hex()


def _span(content: JsonObject, *, scope: str, resource: dict[str, Any]) -> Span:
    status = content.get("status") or {}
    return Span(
        trace_id=hex_id(content["traceId"], _TRACE_DIGITS),
        span_id=hex_id(content["spanId"], _SPAN_DIGITS),
        parent_id=hex_id(content.get("parentSpanId"), _SPAN_DIGITS) or None,
        name=content.get("name", ""),
        kind=_word(content.get("kind"), _KINDS, "SPAN_KIND_"),
        start_ns=int(content.get("startTimeUnixNano", 0)),
        end_ns=int(content.get("endTimeUnixNano", 0)),
        status=_word(status.get("code"), _STATUSES, "STATUS_CODE_"),
        status_message=status.get("message", ""),
        attributes=attributes_of(content.get("attributes")),
        links=tuple(map(_link, content.get("links") or ())),
        events=tuple(map(_event, content.get("events") or ())),
        resource=resource,
        scope=scope,
    )


def _link(content: JsonObject) -> Link:
    return Link(
        hex_id(content.get("traceId"), _TRACE_DIGITS),
        hex_id(content.get("spanId"), _SPAN_DIGITS),
        attributes_of(content.get("attributes")),
    )


def _event(content: JsonObject) -> SpanEvent:
    return SpanEvent(
        content.get("name", ""), int(content.get("timeUnixNano", 0)), attributes_of(content.get("attributes"))
    )


def _word(content: int | str | None, words: tuple[str, ...], prefix: str) -> str:
    if isinstance(content, str):
        word = content.removeprefix(prefix).lower()
        return word if word in words else words[0]
    return words[content] if content is not None and 0 <= content < len(words) else words[0]


def _is_jaegers(key: str) -> bool:
    return key.startswith("@jaeger@")


_READERS: Mapping[str, Any] = {
    "stringValue": str,
    "boolValue": bool,
    "intValue": int,
    "doubleValue": float,
    "bytesValue": b64decode,
    "arrayValue": lambda content: tuple(value_of(item) for item in content.get("values") or ()),
    "kvlistValue": lambda content: attributes_of(content.get("values")),
}
