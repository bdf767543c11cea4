"""OTLP over HTTP: protobuf or JSON, plain or compressed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobspan.errors import BackendError, MalformedData
from jobspan.server.receive import replies
from jobspan.server.receive.bodies import ENCODINGS, TooLarge, parse_json, read_body
from jobspan.server.receive.decoding import REQUESTS
from jobspan.server.receive.ingest import Intake
from jobspan.server.storage.batch import Batch

_PROTOBUF = ("application/x-protobuf", "application/protobuf")
_JSON = "application/json"


def routes(intake: Intake) -> list[Route]:
    """Return one route a signal."""
    return [Route(f"/v1/{signal}", _endpoint(intake, signal), methods=["POST"]) for signal in REQUESTS]


def _endpoint(intake: Intake, signal: str) -> Callable[[Request], Awaitable[Response]]:
    async def receive(request: Request) -> Response:
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if media != _JSON and media not in _PROTOBUF:
            return _refusal(_JSON, 415, f"content type {media or '(none)'}; expected {_PROTOBUF[0]} or {_JSON}")
        if encoding not in ENCODINGS:
            return _refusal(media, 415, f"content encoding {encoding}; expected {', '.join(ENCODINGS)}")
        try:
            batch = await _take(intake, signal, media, await read_body(request.stream(), encoding))
        except TooLarge as error:
            return _refusal(media, 413, str(error))
        except MalformedData as error:
            intake.counters.malformed += 1
            return _refusal(media, 400, str(error))
        except BackendError as error:
            return _refusal(media, 503, str(error))
        return _answer(signal, media, batch)

    return receive


async def _take(intake: Intake, signal: str, media: str, body: bytes) -> Batch:
    if media == _JSON:
        return await intake.take_request(signal, parse_json(signal, body), len(body))
    return await intake.take(signal, body)


def _answer(signal: str, media: str, batch: Batch) -> Response:
    if media == _JSON:
        return Response(replies.response_json(signal, batch), media_type=media)
    return Response(replies.response(signal, batch).SerializeToString(), media_type=media)


_CODES = {503: replies.UNAVAILABLE, 413: replies.RESOURCE_EXHAUSTED}
_COME_BACK_S = "1"


def _refusal(media: str, http_status: int, message: str) -> Response:
    make = replies.status_json if media == _JSON else replies.status
    body = make(_CODES.get(http_status, replies.INVALID_ARGUMENT), message)
    headers = {"Retry-After": _COME_BACK_S} if http_status in _CODES and http_status != 413 else {}  # noqa: PLR2004
    return Response(body, http_status, headers, media)
