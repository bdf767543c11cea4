"""The HTTP API of the command line: runs, counts, find, shorten, story, stats. Read only, for this machine's programs.

A web page that a browser of this machine shows must not read it: a request that names a foreign host (a name made to
point here) or comes from a foreign origin is refused, and no header admits other origins.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobspan._version import __version__
from jobspan.backends import json_codec
from jobspan.backends.base import IdKind, Match
from jobspan.errors import BackendError, MalformedData
from jobspan.server.receive.bodies import read_body
from jobspan.server.receive.ingest import Intake

_KINDS: tuple[IdKind, ...] = ("command", "job", "trace")


def routes(intake: Intake, store: str, *, is_open: bool) -> list[Route]:
    """Return the API's routes.

    Args:
        intake: what is asked.
        store: the file's path, for ``stats``.
        is_open: the server listens beyond loopback, so any host name may be its own.
    """
    questions: dict[str, Callable[[Request], Any]] = {
        "runs": lambda request: [json_codec.run_to_json(run) for run in intake.reader().runs(_filter(request))],
        "counts": lambda request: json_codec.counts_to_json(intake.reader().counts(_filter(request))),
        "commands": lambda request: [
            json_codec.command_to_json(command) for command in intake.reader().commands(_filter(request))
        ],
        "find": lambda request: [json_codec.match_to_json(match) for match in intake.reader().find(_prefix(request))],
        "story": lambda request: [json_codec.span_to_json(span) for span in intake.reader().story(_match(request))],
        "stats": lambda _request: _stats(intake, store),
    }
    get_routes = [
        Route(f"{json_codec.API}/{name}", _endpoint(answer, is_open=is_open), methods=["GET"])
        for name, answer in questions.items()
    ]
    # More ids than an address holds: in the body.
    shorten = _endpoint(lambda ids: dict(intake.reader().shorten(ids)), is_open=is_open, read=_ids)
    return [*get_routes, Route(f"{json_codec.API}/shorten", shorten, methods=["POST"])]


async def _itself(request: Request) -> Request:
    return request


async def _ids(request: Request) -> list[str]:
    content = json.loads(await read_body(request.stream(), "identity"))
    if not isinstance(content, list) or not all(isinstance(each, str) for each in content):
        raise ValueError("expected a list of ids")
    return content


def _endpoint(
    answer: Callable[[Any], Any], *, is_open: bool, read: Callable[[Request], Awaitable[Any]] = _itself
) -> Any:
    async def ask(request: Request) -> Response:
        if not _is_ours(request, is_open=is_open):
            return _json({"error": "asked from a foreign host or origin"}, 403)
        try:
            question = await read(request)
            return await run_in_threadpool(lambda: _json(answer(question)))
        except (ValueError, MalformedData) as error:
            return _json({"error": str(error)}, 400)
        except BackendError as error:
            return _json({"error": str(error)}, 500)

    return ask


def _is_ours(request: Request, *, is_open: bool) -> bool:
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return False
    return is_open or _is_local(host)


def _is_local(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name) is not None
    except ValueError:
        return False


def _filter(request: Request) -> Any:
    return json_codec.filter_from_query(request.query_params.multi_items())


def _prefix(request: Request) -> str:
    return str(request.query_params.get("prefix", ""))


def _match(request: Request) -> Match:
    given, id_ = request.query_params.get("kind"), request.query_params.get("id", "")
    for kind in _KINDS:
        if kind == given and id_:
            return Match(kind, id_)
    raise ValueError(f"expected kind, one of {', '.join(_KINDS)}, and id")


def _stats(intake: Intake, store: str) -> dict[str, Any]:
    kept = {
        "spans": intake.store.count_spans(),
        "duplicates": intake.store.duplicates,
        "conflicts": intake.store.conflicts,
    }
    about = {"application": "jobspan", "version": __version__, "store": store}
    return about | kept | asdict(intake.counters) | {"telemetry_dropped": intake.drops.recent()}


def _json(content: Any, status: int = 200) -> Response:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(body.encode(), status, media_type="application/json")
