"""Spans in words that two processes can compare: what changes from job to job only by its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from jobspan import conventions as c

_CHANGING = frozenset(
    {
        c.MESSAGING_MESSAGE_ID,
        c.MESSAGING_CONVERSATION_ID,
        c.MESSAGING_CLIENT_ID,
        c.PROCESS_PID,
        c.THREAD_ID,
        c.THREAD_NAME,
        c.JOBSPAN_JOB_MEMORY_START,
        c.JOBSPAN_JOB_MEMORY_END,
        c.JOBSPAN_JOB_MEMORY_PEAK,
    }
)


def in_words(spans: Sequence[ReadableSpan]) -> list[dict[str, Any]]:
    """Return everything that spans say; other spans by their names, ids and figures by their kind."""
    names = {span.context.span_id: span.name for span in spans}
    said = [
        {
            "name": span.name,
            "kind": span.kind.name,
            "parent": names.get(span.parent.span_id, "?") if span.parent is not None else None,
            "links": [(names.get(link.context.span_id, "?"), dict(link.attributes or {})) for link in span.links],
            "attributes": _attributes(span.attributes or {}),
            "events": [event.name for event in span.events],
            "status": span.status.status_code.name,
            "scope": span.instrumentation_scope.name if span.instrumentation_scope is not None else None,
        }
        for span in spans
    ]
    return sorted(said, key=lambda span: str(span["name"]))


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in sorted(attributes.items())}


def _value(name: str, value: Any) -> Any:
    return type(value).__name__ if name in _CHANGING or isinstance(value, float) else value
