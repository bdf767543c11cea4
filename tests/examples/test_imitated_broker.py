"""The demo's imitation of Redis goes on after an error, as Redis does."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress

from support.ports import free_port
from support.waiting import wait_until


def answers(port: int) -> bool:
    """Say whether somebody listens there."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def test_a_client_that_was_answered_with_an_error_may_ask_on() -> None:
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "jobspan.demo.broker", str(port)])
    try:
        wait_until(lambda: answers(port), deadline_s=30, what="the imitation listens")
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            reader = client.makefile("rb")
            client.sendall(b"*3\r\n$7\r\nEVALSHA\r\n$4\r\nnone\r\n$1\r\n0\r\n")
            assert reader.readline().startswith(b"-NOSCRIPT")
            client.sendall(b"*1\r\n$4\r\nPING\r\n")
            assert reader.readline() == b"+PONG\r\n"
    finally:
        server.terminate()
        server.wait(10)
