"""Free TCP ports of the loopback interface."""

from __future__ import annotations

import os
import random
import socket

LOOPBACK = "127.0.0.1"
_FIRST, _EACH = 20_000, 3_000
"""Below the ports that Linux gives to client connections; each process of a parallel run has some of its own."""


_given: dict[int, None] = {}
_MOST_GIVEN = 1_000


def free_port() -> int:
    """Return a port that nothing listens on, and that nobody else in this run has been given lately."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    while True:
        port = _FIRST + worker * _EACH + random.randrange(_EACH)
        if port in _given:
            continue
        with socket.socket() as listener:
            try:
                listener.bind((LOOPBACK, port))
            except OSError:
                continue
        _given[port] = None
        if len(_given) > _MOST_GIVEN:
            del _given[next(iter(_given))]
        return port


def is_listening(port: int) -> bool:
    """Say whether somebody accepts connections on the port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
