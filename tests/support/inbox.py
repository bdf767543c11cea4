"""Where notifications arrive in tests: an SMTP server and a webhook that takes what Slack takes."""

from __future__ import annotations

import json
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING

from support.ports import LOOPBACK

if TYPE_CHECKING:
    from typing_extensions import Self


class Inbox:
    """Keeps what arrives.

    Attributes:
        mails: subjects of e-mails.
        slack: titles of messages to Slack.
    """

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.slack: list[str] = []
        self._smtp = ThreadingTCPServer((LOOPBACK, 0), _smtp_handler(self.mails))
        self._web = ThreadingHTTPServer((LOOPBACK, 0), _slack_handler(self.slack))
        self._smtp.daemon_threads = True

    @property
    def smtp_address(self) -> str:
        """Return ``host:port`` of the SMTP server."""
        return f"{LOOPBACK}:{self._smtp.server_address[1]}"

    @property
    def slack_address(self) -> str:
        """Return ``host:port`` of the webhook."""
        return f"{LOOPBACK}:{self._web.server_address[1]}"

    def __enter__(self) -> Self:
        for server in (self._smtp, self._web):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._smtp, self._web):
            server.shutdown()
            server.server_close()


def _smtp_handler(subjects: list[str]) -> type[StreamRequestHandler]:
    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            for line in self.rfile:
                command = line[:4].upper()
                if command == b"DATA":
                    self._say("354 go on")
                    subjects.append(str(message_from_bytes(self._message())["Subject"]))
                self._say("221 bye" if command == b"QUIT" else "250 ok")
                if command == b"QUIT":
                    return

        def _message(self) -> bytes:
            return b"".join(iter(self.rfile.readline, b".\r\n"))

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    return Handler


def _slack_handler(titles: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            titles.extend(attachment["title"] for attachment in said["attachments"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
