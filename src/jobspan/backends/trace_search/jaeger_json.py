"""Spans out of the JSON of Jaeger's own UI: what filters and counts need, and no more is in it than they need.

It has microseconds, lists as text, and of a link neither attributes nor, always, its difference from a parent.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from jobspan.runs import Span

_KIND, _STATUS, _SCOPE = "span.kind", "otel.status_code", "otel.scope.name"
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16


def spans_of(content: Mapping[str, Any]) -> list[Span]:
    """Return the spans of an answer, without parents, links and events."""
    return [_span(span, trace["processes"]) for trace in content.get("data") or () for span in trace["spans"]]


def _span(content: Mapping[str, Any], processes: Mapping[str, Any]) -> Span:
    process = processes.get(content.get("processID", ""), {})
    tags = _values(content.get("tags"))
    start_ns = int(content["startTime"]) * 1000
    return Span(
        trace_id=content["traceID"].zfill(_TRACE_DIGITS),
        span_id=content["spanID"].zfill(_SPAN_DIGITS),
        parent_id=None,
        name=content["operationName"],
        kind=tags.pop(_KIND, "unspecified"),
        start_ns=start_ns,
        end_ns=start_ns + int(content["duration"]) * 1000,
        status=str(tags.pop(_STATUS, "unset")).lower(),
        attributes=tags,
        resource=_values(process.get("tags")) | {"service.name": process.get("serviceName")},
        scope=tags.pop(_SCOPE, ""),
    )


def _values(tags: Iterable[Mapping[str, Any]] | None) -> dict[str, Any]:
    return {tag["key"]: _READERS.get(tag.get("type", ""), _as_it_is)(tag["value"]) for tag in tags or ()}


def _as_it_is(value: Any) -> Any:
    return value


# Whole numbers that a browser cannot hold come as text.
_READERS: Mapping[str, Any] = {"int64": int, "float64": float, "binary": b64decode}
