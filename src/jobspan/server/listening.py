"""Whether a server can listen on an address, checked before it touches anything else."""

from __future__ import annotations

import errno
import socket

from jobspan.errors import UsageError


def bound(what: str, host: str, port: int, option: str) -> socket.socket:
    """Return a socket bound to an address, port 0 for any free one.

    Raises:
        UsageError: the port is taken, or the host is no address of this machine.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise cannot_listen(what, host, port, option, error) from error
    return listener


def check(what: str, host: str, port: int, option: str) -> None:
    """Raise ``UsageError`` if the address cannot be listened on now."""
    bound(what, host, port, option).close()


def cannot_listen(what: str, host: str, port: int, option: str, error: Exception) -> UsageError:
    """Return the error for an address on which the server cannot listen."""
    where = f"cannot listen for {what} on {host}:{port}"
    if isinstance(error, OSError) and error.errno not in (errno.EADDRINUSE, errno.EACCES):
        return UsageError(f"{where}: {error.strerror or error}; --host takes an address of this machine")
    return UsageError(f"{where}, is it taken? Choose another with {option}")
