"""No fork in the midst of an export: a child forked then cannot export, or is aborted by gRPC at its next call.

A worker's main process forks a new child just when it has the spans of a dead one to send. So calls into gRPC pass a
gate that a fork closes, and a fork takes the locks that the SDK's metric readers hold while they export. It waits for
both no longer than a second, which only a collector that does not answer takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry.metrics import get_meter_provider

from jobspan import forks
from jobspan.recording.sdk.pipeline import exporters_of, providers, readers_of

_LONGEST_S = 1.0
_MARK = "_jobspan_gated"


class _Gate:
    """Open for all threads; closed while this process forks."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew: in a child no other thread is inside."""
        self._changed = threading.Condition()
        self._inside, self._is_closed = 0, False

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed, _LONGEST_S)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self, deadline: float) -> None:
        """Let no thread in, and wait until none is inside."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._inside, max(0.0, deadline - time.monotonic()))

    def open(self) -> None:
        """Let threads in again."""
        with self._changed:
            self._is_closed = False
            self._changed.notify_all()


_gate = _Gate()
_held: list[Any] = []
_missed: list[tuple[Any, str]] = []


def guard_forks() -> None:
    """Keep the forks of this process, from now on, and the exports of its providers apart."""
    forks.join("exports", before=_before, in_parent=_after_in_parent, in_child=_after_in_child)
    _wrap_exporters()


def _before() -> None:
    deadline = time.monotonic() + _LONGEST_S
    _wrap_exporters()
    _gate.close(deadline)
    for owner, name in _locks():
        lock = getattr(owner, name)
        if lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            _held.append(lock)
        else:
            _missed.append((owner, name))


def _after_in_parent() -> None:
    _release()
    _missed.clear()
    _gate.open()


def _after_in_child() -> None:
    _release()
    for owner, name in _missed:
        # Its holder is a thread of the parent: no thread here would ever release it.
        setattr(owner, name, threading.Lock())
    _missed.clear()
    _renew_measuring()
    _gate.renew()


def _renew_measuring() -> None:
    """Renew the locks of measurements: a thread of the parent may have been measuring at the fork."""
    consumer = getattr(get_meter_provider(), "_measurement_consumer", None)
    for storage in getattr(consumer, "_reader_storages", {}).values():
        storage._lock = threading.RLock()  # noqa: SLF001 - the SDK renews those of its providers only
        for matches in getattr(storage, "_instrument_view_instrument_matches", {}).values():
            for match in matches:
                match._lock = threading.Lock()  # noqa: SLF001 - no public name
                for aggregation in getattr(match, "_attributes_aggregation", {}).values():
                    aggregation._lock = threading.Lock()  # noqa: SLF001 - no public name


def _release() -> None:
    while _held:
        _held.pop().release()


def _locks() -> Iterator[tuple[Any, str]]:
    """Yield what a metric reader's thread holds while it collects and exports."""
    provider = get_meter_provider()
    for reader in readers_of(provider):
        if hasattr(reader, "_export_lock"):
            yield reader, "_export_lock"
    consumer = getattr(provider, "_measurement_consumer", None)
    if hasattr(consumer, "_lock"):
        yield consumer, "_lock"


def _wrap_exporters() -> None:
    for provider in providers():
        for exporter in exporters_of(provider):
            if hasattr(exporter, "_client") and hasattr(exporter, "_stub") and not hasattr(exporter, _MARK):
                _wrap(exporter)


def _wrap(exporter: Any) -> None:
    make = exporter._stub  # noqa: SLF001 - the calls into gRPC have no public name

    def make_gated(channel: Any) -> Any:
        return _gated(make(channel))

    # The exporter makes a new client when its connection is lost.
    exporter._stub = make_gated  # noqa: SLF001 - no public name
    if exporter._client is not None:  # noqa: SLF001 - no public name
        _gated(exporter._client)  # noqa: SLF001 - no public name
    setattr(exporter, _MARK, True)


def _gated(client: Any) -> Any:
    call: Callable[..., Any] = client.Export

    def export(*args: Any, **kwargs: Any) -> Any:
        with _gate:
            return call(*args, **kwargs)

    client.Export = export
    return client
