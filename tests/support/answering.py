"""An HTTP server inside the test that gives the answers it is told to give, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from support.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: path, query, headers (names in lower case)."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: text as it is, anything else as JSON."""

    said: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Answering:
    """Answers each request by a function; use as a context manager."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        self._server = ThreadingHTTPServer((LOOPBACK, free_port()), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

    def reply(self, asked: Asked) -> Reply:
        """Remember a request, and answer it."""
        self.asked.append(asked)
        return self._answer(asked)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(owner: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1  # headers and body in one piece: the second would wait for the first's acknowledgement

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = owner.reply(Asked(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers))
            body = reply.said if isinstance(reply.said, str) else json.dumps(reply.said)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives
            """Say nothing on stderr."""

    return Handler
