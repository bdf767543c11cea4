"""JSON from a server over HTTP, and in one line what went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.client import HTTPException
from typing import Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from jobspan.errors import BackendError, UsageError
from jobspan.named_tuple import NamedTuple
from jobspan.reading_settings import load_reading
from jobspan.settings import JOBSPAN_BACKEND_HEADERS

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
ANSWER_S = 30.0
"""How long an answer may take."""

_REASON_LENGTH = 200
"""An error repeats at most so many characters of the reason that a server gives."""


Read = TypeVar("Read")


class Answer(NamedTuple):
    """Status and content; ``content`` is the text where it is no JSON."""

    status: int
    content: Any
    is_json: bool


class Asker:
    """Asks one server.

    Args:
        url: its address, without credentials.
        kind: what it is expected to be, e.g. ``Jaeger``.
        usual: an address as it is expected: ``http://host:16686``.

    Raises:
        UsageError: the text is no such address, or the headers of the environment are none.
    """

    def __init__(self, url: str, kind: str, usual: str) -> None:
        self.url, self._kind, self._usual = url.rstrip("/"), kind, usual
        self._opener = _opener(self.url, kind, usual)
        self._headers = {"Accept": "application/json"} | read_headers(load_reading().backend_headers)

    def get(self, path: str, query: Sequence[tuple[str, str]] = (), *, timeout_s: float | None = None) -> Any:
        """Return the JSON of a good answer; whatever else comes is a ``BackendError``."""
        return self.good(self.answer(path, query, timeout_s=timeout_s))

    def post(self, path: str, body: Any) -> Any:
        """Send JSON, and return the JSON of a good answer."""
        return self.good(self.answer(path, body=json.dumps(body).encode()))

    def answer(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        body: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Return whatever the server answers.

        Raises:
            BackendError: it does not, or not in HTTP, or it wants to know who asks.
        """
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        within_s = ANSWER_S if timeout_s is None else timeout_s
        headers = self._headers | ({"Content-Type": "application/json"} if body else {})
        try:
            status, content = self._answered(Request(address, body, headers), within_s)  # noqa: S310  the scheme is checked
        except (OSError, HTTPException) as error:
            raise BackendError(self._silence(error, within_s)) from error
        answer = _read(status, content)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            why = f": {reason(answer.content)}" if answer.is_json else ""
            raise BackendError(
                f"{self._kind} at {self.url} answered {status}{why}; where it wants to know who asks, "
                f"set {JOBSPAN_BACKEND_HEADERS}, e.g. to 'Authorization=Bearer …'"
            )
        return answer

    def read(self, reader: Callable[[Any], Read], content: Any) -> Read:
        """Return what ``reader`` makes of an answer.

        Raises:
            BackendError: it is not as it should be.
        """
        try:
            return reader(content)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise BackendError(
                f"{self.url} answered, but not as {self._kind} does ({type(error).__name__} {error}); "
                f"expected {self._usual}"
            ) from error

    def good(self, answer: Answer) -> Any:
        """Return the JSON of an answer with status 200, else raise ``BackendError``."""
        if answer.status == HTTPStatus.OK and answer.is_json:
            return answer.content
        if not answer.is_json and not _is_plain_refusal(answer):
            raise BackendError(
                f"{self.url} answered {answer.status}, not in JSON: no {self._kind}; expected {self._usual}"
            )
        raise BackendError(f"{self._kind} at {self.url} answered {answer.status}: {reason(answer.content)}")

    def close(self) -> None:
        """Close the connection."""
        self._opener.close()

    def _answered(self, request: Request, timeout_s: float) -> tuple[int, bytes]:
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                return answer.status, answer.read()
        except HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()

    def _silence(self, error: Exception, timeout_s: float) -> str:
        cause = getattr(error, "reason", error)
        if isinstance(cause, TimeoutError):
            return f"{self._kind} at {self.url} gave no answer within {timeout_s:g} s; ask for less: --since 1h"
        return (
            f"no {self._kind} answers at {self.url} ({type(cause).__name__} {cause}); is it running? "
            f"expected {self._usual}"
        )


def read_headers(text: str) -> dict[str, str]:
    """Read ``name=value,name=value``, percent-encoded as in ``OTEL_EXPORTER_OTLP_HEADERS``.

    Raises:
        UsageError: a part has no name or no value; its text is a secret and not repeated.
    """
    headers = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        value = unquote(value)
        if not name or not value or not name.isascii() or not value.isprintable():
            raise UsageError(f"{JOBSPAN_BACKEND_HEADERS} is not understood; expected name=value, apart by commas")
        headers[name] = value
    return headers


def reason(content: Any) -> str:
    """Return the reason of a refusal out of a server's JSON, in one line."""
    if isinstance(content, dict):
        for key in ("errors", "error", "message", "msg"):
            if content.get(key):
                return reason(content[key])
    if isinstance(content, list) and content:
        return reason(content[0])
    return " ".join(str(content).split())[:_REASON_LENGTH]


class _NoRedirects(HTTPRedirectHandler):
    """Follows no redirect: the headers may be secrets meant for the given address alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(url: str, kind: str, usual: str) -> OpenerDirector:
    """Return an opener of the standard library: importing httpx takes longer than most answers."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageError(f"{url!r} is no address of a {kind}; expected {usual}")
    if parts.username is not None:
        raise UsageError(
            f"the address of {kind} has a user name in it, which others can see; "
            f"expected it in {JOBSPAN_BACKEND_HEADERS}, e.g. 'Authorization=Basic …'"
        )
    # Requests to this machine's own addresses bypass a proxy of the environment.
    return build_opener(_NoRedirects, ProxyHandler({} if parts.hostname in _LOOPBACK else None))


def _is_plain_refusal(answer: Answer) -> bool:
    """Say whether an answer refuses in plain text; an HTML page or status 404 comes from another program."""
    is_refusal = answer.status >= HTTPStatus.BAD_REQUEST and answer.status != HTTPStatus.NOT_FOUND
    return is_refusal and not answer.content.lstrip().startswith("<")


def _read(status: int, content: bytes) -> Answer:
    try:
        return Answer(status, json.loads(content), is_json=True)
    except ValueError:
        return Answer(status, content.decode(errors="replace"), is_json=False)
