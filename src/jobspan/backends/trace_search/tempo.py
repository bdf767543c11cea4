"""Tempo, asked in TraceQL over its HTTP API (2.7 and later).

A search gives of a span only what is selected, of a trace at most so many spans, and the traces in no order; a trace
that is to be shown is fetched by its id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from jobspan.backends.http import Answer, Asker
from jobspan.backends.trace_search import otlp_json
from jobspan.backends.trace_search.paging import Page, Window
from jobspan.backends.trace_search.search_terms import Terms
from jobspan.backends.trace_search.traceql import query_for
from jobspan.runs import Span

_logger = logging.getLogger("jobspan.backends")

_PAGE = 1000
"""Traces asked for at once; fewer where Tempo gives fewer."""
_SPANS_OF_A_TRACE = 100
"""The same of the spans of each; a trace with more is fetched."""
_SECOND_US = 10**6
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16


class TempoSource:
    """Searches a Tempo for traces.

    Args:
        url: where its API answers, e.g. ``http://127.0.0.1:3200``.

    Raises:
        UsageError: the text is no such address.
    """

    spans_are_whole = False
    finds_prefixes = True
    grain_us = 2 * _SECOND_US

    def __init__(self, url: str) -> None:
        self._asker = Asker(url, "Tempo", "http://host:3200, the port of its API")
        self._limits = {"limit": _PAGE, "spss": _SPANS_OF_A_TRACE}
        self._too_long_us = 0

    def search(self, terms: Sequence[Terms], window: Window) -> Page:
        """Return the spans that have all attributes of one of ``terms``, in traces that touch the window."""
        query, long_us = query_for(terms), window.last_us - window.first_us
        while True:
            if 0 < self._too_long_us <= long_us:
                return Page((), is_complete=False)
            answer = self._asker.answer("/api/search", [("q", query), *self._bounds(window)])
            if answer.status == HTTPStatus.BAD_REQUEST and _spans_too_long(answer):
                self._too_long_us = long_us
            elif answer.status != HTTPStatus.BAD_REQUEST or not self._ask_for_less(answer):
                break
        return self._asker.read(self._page, self._asker.good(answer))

    def trace(self, trace_id: str) -> Sequence[Span]:
        """Return a trace's spans; none for one that is not there."""
        answer = self._asker.answer(f"/api/v2/traces/{trace_id}")
        if answer.status == HTTPStatus.NOT_FOUND:
            return []
        content = self._asker.good(answer)
        if isinstance(content, dict) and content.get("status") == "PARTIAL":
            _logger.warning("Tempo gives only a part of trace %s: %s", trace_id, content.get("message", ""))
        return self._asker.read(lambda whole: otlp_json.spans_of(whole.get("trace") or {}), content)

    def close(self) -> None:
        """Close the connection."""
        self._asker.close()

    def _bounds(self, window: Window) -> list[tuple[str, str]]:
        first, last = window.first_us // _SECOND_US, window.last_us // _SECOND_US + 1
        return [("start", str(first)), ("end", str(last)), *((name, str(n)) for name, n in self._limits.items())]

    def _ask_for_less(self, answer: Answer) -> bool:
        """Lower the limit that Tempo refuses; say whether there was one."""
        for name, refusal in (("limit", "exceeds max limit"), ("spss", "spans per span set exceeds")):
            if refusal in str(answer.content) and self._limits[name] > 1:
                self._limits[name] = max(1, self._limits[name] // 10)
                return True
        return False

    def _page(self, content: Any) -> Page:
        traces = content.get("traces") or ()
        spans = [span for trace in traces for span in self._spans(trace)]
        return Page(spans, is_complete=len(traces) < self._limits["limit"])

    def _spans(self, trace: Mapping[str, Any]) -> Sequence[Span]:
        trace_id = str(trace["traceID"]).zfill(_TRACE_DIGITS)
        sets = trace.get("spanSets") or [trace.get("spanSet") or {}]
        if any(int(each.get("matched", 0)) > len(each.get("spans") or ()) for each in sets):
            return self.trace(trace_id)
        return [_span(content, trace_id) for each in sets for content in each.get("spans") or ()]


def _span(content: Mapping[str, Any], trace_id: str) -> Span:
    attributes = otlp_json.attributes_of(content.get("attributes"))
    start_ns = int(content["startTimeUnixNano"])
    return Span(
        trace_id=trace_id,
        span_id=str(content["spanID"]).zfill(_SPAN_DIGITS),
        parent_id=None,
        name=str(content.get("name", "")),
        kind=attributes.pop("kind", "unspecified"),
        start_ns=start_ns,
        end_ns=start_ns + int(content.get("durationNanos", 0)),
        status=attributes.pop("status", "unset"),
        attributes=attributes,
    )


def _spans_too_long(answer: Answer) -> bool:
    return "range specified by start and end exceeds" in str(answer.content)
