"""An imitation of the query API of Jaeger 2.19 and later, in front of a real Jaeger 2.13.

Those versions cannot be built from Go modules. What they changed for jobspan is imitated as their documentation has it
(``query.attributes``, names in camel case, 404 for nothing, and since 2.21 no search in ``/api/traces``); the real one
searches for traces, and returns them in OTLP's JSON.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from support import plain_http
from support.answering import Answering, Asked, Reply

_NEEDED = ("query.startTimeMin", "query.startTimeMax")


def stable_jaeger(url: str) -> Answering:
    """Return a server that answers as a newer Jaeger with the traces of the one at ``url``."""
    return Answering(lambda asked: _answer(url, asked))


def _answer(url: str, asked: Asked) -> Reply:
    if asked.path == "/api/v3/traces":
        return _search(url, asked)
    if asked.path == "/api/v3/services" or asked.path.startswith("/api/v3/traces/"):
        query = {"raw_traces": asked.query["rawTraces"]} if "rawTraces" in asked.query else {}
        found = plain_http.get(url + asked.path, params=query)
        return Reply(found.json(), found.status_code)
    return Reply("<!doctype html>", 200)


def _search(url: str, asked: Asked) -> Reply:
    try:
        tags = json.loads(asked.query.get("query.attributes", "{}"))
        if not all(isinstance(value, str) for value in tags.values()):
            raise ValueError("no string")
    except ValueError as error:
        return _error(400, f"malformed parameter query.attributes: {error}")
    if any(name not in asked.query for name in _NEEDED):
        return _error(400, " and ".join(_NEEDED) + " are required")
    old = {
        "service": asked.query["query.serviceName"],
        "tags": json.dumps(tags),
        "start": _microseconds(asked.query["query.startTimeMin"]),
        "end": _microseconds(asked.query["query.startTimeMax"]),
        "limit": asked.query.get("query.searchDepth", "100"),
    }
    found = plain_http.get(f"{url}/api/traces", params=old)
    if not found.is_success:
        return _error(found.status_code, found.json()["errors"][0]["msg"])
    raw = {"raw_traces": asked.query.get("query.rawTraces", "false")}
    whole = [plain_http.get(f"{url}/api/v3/traces/{trace['traceID']}", params=raw) for trace in found.json()["data"]]
    spans = [group for trace in whole for group in trace.json()["result"]["resourceSpans"]]
    return Reply({"result": {"resourceSpans": spans}}) if spans else _error(404, "No traces found")


def _error(status: int, message: str) -> Reply:
    said: dict[str, Any] = {"httpCode": status, "message": message}
    return Reply({"error": said}, status)


def _microseconds(text: str) -> str:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return str(round(moment.timestamp() * 10**6))
