"""Jaeger, asked over the HTTP API of its UI's port: the stable one where it can search by attributes, else the old one.

Jaeger 2.19 and later search by attributes in ``/api/v3/traces``; before, only ``/api/traces`` does, which returns less:
microseconds, no attributes of links. There a trace that is to be shown is fetched once more, by its id, in ``/api/v3``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

from jobspan.backends.http import Answer, Asker, reason
from jobspan.backends.trace_search import otlp_json
from jobspan.backends.trace_search.jaeger_json import spans_of
from jobspan.backends.trace_search.paging import Page, Window
from jobspan.backends.trace_search.search_terms import Terms
from jobspan.named_tuple import NamedTuple
from jobspan.runs import Span

_PAGE = 1000
"""Traces asked for at once; fewer where Jaeger gives fewer."""

Query = list[tuple[str, str]]


class _Api(NamedTuple):
    """One of Jaeger's two: how to list services and to search, and how to read what comes."""

    services: str
    names: Callable[[Any], Sequence[str]]
    traces: str
    query: Callable[[str, Terms, Window, int], Query]
    read: Callable[[Any], list[Span]]


class JaegerSource:
    """Searches a Jaeger for traces.

    Args:
        url: where its UI answers, e.g. ``http://127.0.0.1:16686``, with its base path when it has one.

    Raises:
        UsageError: the text is no such address.
    """

    finds_prefixes = False
    grain_us = 1

    def __init__(self, url: str) -> None:
        self._asker = Asker(url, "Jaeger", "http://host:16686, the port of its UI")
        self._page = _PAGE
        self._probed: _Api | None = None

    @property
    def spans_are_whole(self) -> bool:
        """Say whether the search returns all of a span."""
        return self._api is _STABLE

    def search(self, terms: Sequence[Terms], window: Window) -> Page:
        """Return the traces with a span that has all attributes of one of ``terms``: of every service."""
        api, spans, is_complete = self._api, list[Span](), True
        for service in self._asker.read(api.names, self._asker.get(api.services)):
            for attributes in terms:
                found = self._found(api, service, attributes, window)
                spans += found
                is_complete &= len({span.trace_id for span in found}) < self._page
        return Page(spans, is_complete)

    def trace(self, trace_id: str) -> Sequence[Span]:
        """Return a trace's spans; none for one that is not there."""
        answer = self._asker.answer(f"/api/v3/traces/{trace_id}", [("raw_traces", "true"), ("rawTraces", "true")])
        return [] if _found_nothing(answer) else self._asker.read(_spans_of_otlp, self._asker.good(answer))

    def close(self) -> None:
        """Close the connection."""
        self._asker.close()

    @property
    def _api(self) -> _Api:
        if self._probed is None:
            self._probed = self._probe()
        return self._probed

    def _probe(self) -> _Api:
        """Search for attributes that are no JSON: one that reads them refuses, an older one ignores."""
        moment = _rfc3339(0)
        query = [("query.attributes", "?"), ("query.startTimeMin", moment), ("query.startTimeMax", moment)]
        answer = self._asker.answer("/api/v3/traces", query)
        understands = answer.status == HTTPStatus.BAD_REQUEST and "query.attributes" in str(answer.content)
        return _STABLE if understands else _OLD

    def _found(self, api: _Api, service: str, attributes: Terms, window: Window) -> list[Span]:
        while True:
            answer = self._asker.answer(api.traces, api.query(service, attributes, window, self._page))
            if _found_nothing(answer):
                return []
            if not _asked_for_too_many(answer) or self._page == 1:
                return self._asker.read(api.read, self._asker.good(answer))
            self._page = max(1, self._page // 10)


def _stable_query(service: str, attributes: Terms, window: Window, limit: int) -> Query:
    return [
        ("query.serviceName", service),
        ("query.attributes", json.dumps(attributes)),
        ("query.startTimeMin", _rfc3339(window.first_us)),
        ("query.startTimeMax", _rfc3339(window.last_us + 1)),
        ("query.searchDepth", str(limit)),
        ("query.rawTraces", "true"),
    ]


def _old_query(service: str, attributes: Terms, window: Window, limit: int) -> Query:
    return [
        ("service", service),
        ("tags", json.dumps(attributes)),
        ("start", str(window.first_us)),
        ("end", str(window.last_us + 1)),  # compared with nanoseconds
        ("limit", str(limit)),
        ("raw", "true"),
    ]


def _spans_of_otlp(content: Any) -> list[Span]:
    return otlp_json.spans_of(content.get("result", content))


_STABLE = _Api(
    "/api/v3/services", lambda content: content["services"] or (), "/api/v3/traces", _stable_query, _spans_of_otlp
)
_OLD = _Api("/api/services", lambda content: content["data"] or (), "/api/traces", _old_query, spans_of)


def _found_nothing(answer: Answer) -> bool:
    return answer.status == HTTPStatus.NOT_FOUND and answer.is_json


def _asked_for_too_many(answer: Answer) -> bool:
    return answer.status != HTTPStatus.OK and answer.is_json and "search depth" in reason(answer.content).lower()


def _rfc3339(at_us: int) -> str:
    seconds, rest = divmod(at_us, 10**6)
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:06}Z"
