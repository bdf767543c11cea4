"""An imitation of Tempo's query API, for want of a real one: it cannot be built from Go modules here.

It does what Tempo's documentation of the API and of TraceQL says of the requests that jobspan and its documentation
make, limits and refusals among it, and refuses every other: answers in no order, the first N; of a span only what is
selected; ids without leading zeros in a search and base64 in a trace; traces that touch the time asked for, in whole
seconds.
"""

from __future__ import annotations

import base64
import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from jobspan.runs import Span
from support.answering import Answering, Asked, Reply
from support.otlp_values import spans_of

_MAX_DURATION_S, _MAX_SPSS = 168 * 3600, 100
_SEARCHED = {"q", "start", "end", "limit", "spss"}

Holds = Callable[[Span], bool]


class Tempo(Answering):
    """Keeps the requests that it is given, and answers for them.

    Args:
        max_limit: of traces asked for at once.
    """

    def __init__(self, *, max_limit: int = 262_144) -> None:
        super().__init__(self._reply)
        self._max_limit = max_limit
        self._groups = defaultdict[str, list[Any]](list)
        self._spans = defaultdict[str, list[Span]](list)

    def keep(self, *requests: Any) -> None:
        """Keep OTLP requests with spans."""
        for request in requests:
            for received in spans_of(request):
                self._spans[received.span.trace_id].append(received.span)
            for trace_id in {received.span.trace_id for received in spans_of(request)}:
                self._groups[trace_id] += _of_trace(request, bytes.fromhex(trace_id))

    def _reply(self, asked: Asked) -> Reply:
        if asked.path == "/api/search":
            return self._search(asked.query)
        if asked.path.startswith("/api/v2/traces/"):
            groups = self._groups.get(asked.path.rpartition("/")[2].zfill(32))
            return Reply({"trace": MessageToDict(TracesData(resource_spans=groups))}) if groups else Reply("", 404)
        return Reply("404 page not found", 404)

    def _search(self, query: Mapping[str, str]) -> Reply:
        if not set(query) <= _SEARCHED or not {"q", "start", "end"} <= set(query):
            return Reply(f"imitation: asked with {sorted(query)}", 400)
        start, end = int(query["start"]), int(query["end"])
        limit, spss = int(query.get("limit", 20)), int(query.get("spss", 3))
        if limit > self._max_limit:
            return Reply(f"limit {limit} exceeds max limit {self._max_limit}", 400)
        if end - start > _MAX_DURATION_S:
            told = f"range specified by start and end exceeds 168h0m0s. received start={start} end={end}"
            return Reply(told, 400)
        if spss > _MAX_SPSS:
            return Reply(f"spans per span set exceeds {_MAX_SPSS}. received {spss}", 400)
        try:
            holds, selected = parsed(query["q"])
        except ValueError as error:
            return Reply(f"invalid TraceQL query: parse error: {error}", 400)
        found = [(trace_id, [span for span in spans if holds(span)]) for trace_id, spans in self._within(start, end)]
        random.shuffle(found)
        traces = [_trace(trace_id, spans, spss, selected) for trace_id, spans in found if spans]
        return Reply({"traces": traces[:limit], "metrics": {"completedJobs": 1, "totalJobs": 1}})

    def _within(self, start: int, end: int) -> list[tuple[str, list[Span]]]:
        return [
            (trace_id, spans)
            for trace_id, spans in self._spans.items()
            if min(span.start_ns for span in spans) <= end * 10**9 and max(s.end_ns for s in spans) >= start * 10**9
        ]


def _of_trace(request: Any, trace_id: bytes) -> list[Any]:
    copy = type(request).FromString(request.SerializeToString())
    for group in copy.resource_spans:
        for scoped in group.scope_spans:
            kept = [span for span in scoped.spans if span.trace_id == trace_id]
            del scoped.spans[:]
            scoped.spans.extend(kept)
    return list(copy.resource_spans)


def _trace(trace_id: str, spans: list[Span], spss: int, selected: list[str]) -> dict[str, Any]:
    told = [
        {
            "spanID": span.span_id.lstrip("0"),
            "startTimeUnixNano": str(span.start_ns),
            "durationNanos": str(span.end_ns - span.start_ns),
            "attributes": [
                {"key": name.removeprefix("span."), "value": _said(_value(span, name))}
                for name in selected
                if _value(span, name) is not None
            ],
        }
        for span in spans[:spss]
    ]
    root = {"rootServiceName": "imitated", "rootTraceName": spans[0].name}
    times = {"startTimeUnixNano": str(spans[0].start_ns), "durationMs": 1}
    sets = [{"spans": told, "matched": len(spans)}]
    return {"traceID": trace_id.lstrip("0"), **root, **times, "spanSets": sets}


def _said(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    return {"stringValue": str(value)}


def _value(span: Span, name: str) -> Any:
    scope, _, rest = name.partition(".")
    if not rest:
        return {"status": span.status, "kind": span.kind, "name": span.name}[name]
    return {"span": span.attributes, "resource": span.resource}[scope].get(rest)


_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|&&|\|\||=~|!=|>=|<=|[=<>(){}|,]|[\w.]+)')
_WORDS = {"true": True, "false": False, "unset": "unset", "ok": "ok", "error": "error", "consumer": "consumer",
          "producer": "producer", "internal": "internal", "client": "client", "server": "server"}  # fmt: skip


def parsed(query: str) -> tuple[Holds, list[str]]:
    """Read ``{ conditions } | select(fields)``: what holds for a span, and what is told of it.

    Raises:
        ValueError: it is no such query.
    """
    tokens = _Tokens(query)
    tokens.expect("{")
    holds = tokens.either()
    tokens.expect("}")
    selected = []
    if tokens.take("|"):
        tokens.expect("select")
        tokens.expect("(")
        selected = [tokens.next()]
        while tokens.take(","):
            selected.append(tokens.next())
        tokens.expect(")")
    tokens.expect("")
    return holds, selected


class _Tokens:
    def __init__(self, text: str) -> None:
        self._left = _TOKEN.findall(text)
        if "".join(self._left) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text):
            raise ValueError(f"unexpected text in {text}")

    def next(self) -> str:
        return self._left.pop(0) if self._left else ""

    def take(self, token: str) -> bool:
        if self._left[:1] != [token]:
            return False
        self._left.pop(0)
        return True

    def expect(self, token: str) -> None:
        if (found := self.next()) != token:
            raise ValueError(f"unexpected {found!r}, expected {token!r}")

    def either(self) -> Holds:
        choices = [self._all()]
        while self.take("||"):
            choices.append(self._all())
        return lambda span: any(holds(span) for holds in choices)

    def _all(self) -> Holds:
        parts = [self._one()]
        while self.take("&&"):
            parts.append(self._one())
        return lambda span: all(holds(span) for holds in parts)

    def _one(self) -> Holds:
        if self.take("("):
            holds = self.either()
            self.expect(")")
            return holds
        field, operator, literal = self.next(), self.next(), _literal(self.next())
        if operator == "=":
            return lambda span: type(_value(span, field)) is type(literal) and _value(span, field) == literal
        if operator == "=~":
            return lambda span: re.fullmatch(literal, str(_value(span, field) or "")) is not None
        raise ValueError(f"the imitation does not know {operator!r}")


def _literal(text: str) -> Any:
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in _WORDS:
        return _WORDS[text]
    return int(text)
