"""Where spans are kept and can be asked for: one small protocol, one file a backend."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from jobspan.backends.store.address import default_store, read_address
from jobspan.errors import UsageError
from jobspan.reading_settings import load_reading

if TYPE_CHECKING:
    from jobspan.backends.base import Backend

_STARTING_S = 1.0
_POLL_S = 0.05


def open_backend(store: Path | None = None, url: str | None = None) -> Backend:
    """Return the backend of a store: a server named by ``url``, else the one that holds it, else its file.

    Args:
        store: path of the embedded store; None: ``JOBSPAN_STORE``, else the user's data folder.
        url: a server's address, of another kind as ``jaeger=URL``; None: ``JOBSPAN_BACKEND``, unless a store is given.

    Raises:
        BackendError: there is no store, or it is held by a process that does not answer.
        UsageError: the address is none, or a package is missing.
    """
    address = url or (load_reading().backend if store is None else "")
    return _named(address) if address else _local(store or default_store())


def _named(address: str) -> Backend:
    kind, _, url = address.partition("=")
    if kind in ("jaeger", "tempo"):
        from jobspan.backends.trace_search.backend import TraceBackend
        from jobspan.backends.trace_search.jaeger import JaegerSource
        from jobspan.backends.trace_search.tempo import TempoSource

        return TraceBackend(JaegerSource(url) if kind == "jaeger" else TempoSource(url))
    from jobspan.backends.remote import RemoteBackend

    return RemoteBackend(address)


def _local(store: Path) -> Backend:
    """Ask the server or open the file; a server that is just starting holds the file before it answers."""
    from jobspan.backends.store.file import EmbeddedBackend, StoreIsLocked

    deadline = time.monotonic() + _STARTING_S
    while True:
        server = _server_of(store)
        if server is not None:
            return server
        try:
            return EmbeddedBackend(store)
        except StoreIsLocked:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_S)


def _server_of(store: Path) -> Backend | None:
    address = read_address(store)
    if address is None:
        return None
    from jobspan.backends.remote import RemoteBackend

    try:
        server = RemoteBackend(address.url)
    except UsageError:
        return None
    if server.holds(store):
        return server
    server.close()
    return None
