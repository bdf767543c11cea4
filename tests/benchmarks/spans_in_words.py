"""Spans and measurements in words that two processes can compare: what changes from job to job only by its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import Histogram, MetricsData
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


def metrics_in_words(data: MetricsData | None, job_name: str) -> list[dict[str, Any]]:
    """Return the histograms of a job: names, units, attributes, buckets and how often each was measured."""
    scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
    said = [
        {
            "name": metric.name,
            "unit": metric.unit,
            "attributes": dict(sorted((point.attributes or {}).items())),
            "buckets": list(point.explicit_bounds),
            "count": point.count,
        }
        for scope in scopes
        for metric in scope.metrics
        if isinstance(metric.data, Histogram)
        for point in metric.data.data_points
        if (point.attributes or {}).get(c.JOBSPAN_JOB_NAME) == job_name
    ]
    return sorted(said, key=str)


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in sorted(attributes.items())}


def _value(name: str, value: Any) -> Any:
    return type(value).__name__ if name in _CHANGING or isinstance(value, float) else value
