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


def value_of(said: JsonObject) -> Any:
    """Return a value; a list comes as a tuple, as the SDK keeps it."""
    for kind, value in said.items():
        return _READERS[kind](value)
    return None


def hex_id(text: str | None, digits: int) -> str:
    """Return an id as hex; empty where there is none."""
    if not text:
        return ""
    return text.lower() if len(text) == digits else b64decode(text).hex()


def _span(said: JsonObject, *, scope: str, resource: dict[str, Any]) -> Span:
    status = said.get("status") or {}
    return Span(
        trace_id=hex_id(said["traceId"], _TRACE_DIGITS),
        span_id=hex_id(said["spanId"], _SPAN_DIGITS),
        parent_id=hex_id(said.get("parentSpanId"), _SPAN_DIGITS) or None,
        name=said.get("name", ""),
        kind=_word(said.get("kind"), _KINDS, "SPAN_KIND_"),
        start_ns=int(said.get("startTimeUnixNano", 0)),
        end_ns=int(said.get("endTimeUnixNano", 0)),
        status=_word(status.get("code"), _STATUSES, "STATUS_CODE_"),
        status_message=status.get("message", ""),
        attributes=attributes_of(said.get("attributes")),
        links=tuple(map(_link, said.get("links") or ())),
        events=tuple(map(_event, said.get("events") or ())),
        resource=resource,
        scope=scope,
    )


def _link(said: JsonObject) -> Link:
    return Link(
        hex_id(said.get("traceId"), _TRACE_DIGITS),
        hex_id(said.get("spanId"), _SPAN_DIGITS),
        attributes_of(said.get("attributes")),
    )


def _event(said: JsonObject) -> SpanEvent:
    return SpanEvent(said.get("name", ""), int(said.get("timeUnixNano", 0)), attributes_of(said.get("attributes")))


def _word(said: int | str | None, words: tuple[str, ...], prefix: str) -> str:
    if isinstance(said, str):
        word = said.removeprefix(prefix).lower()
        return word if word in words else words[0]
    return words[said] if said is not None and 0 <= said < len(words) else words[0]


def _is_jaegers(key: str) -> bool:
    return key.startswith("@jaeger@")


_READERS: Mapping[str, Any] = {
    "stringValue": str,
    "boolValue": bool,
    "intValue": int,
    "doubleValue": float,
    "bytesValue": b64decode,
    "arrayValue": lambda said: tuple(value_of(item) for item in said.get("values") or ()),
    "kvlistValue": lambda said: attributes_of(said.get("values")),
}
