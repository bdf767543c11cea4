"""What the command line touches outside itself: the backend, the broker, the clock and the environment."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobspan.backends.base import Backend
from jobspan.errors import UsageError
from jobspan.jobs import Framework
from jobspan.reading_settings import load_reading

if TYPE_CHECKING:
    from jobspan.brokers.base import BrokerReader

OpenBackend = Callable[[Path | None, str | None], Backend]
OpenBroker = Callable[[str, tuple[Framework, ...], tuple[str, ...], str], "BrokerReader"]
"""Of a URL, frameworks, names of queues, and the address of RabbitMQ's management API."""


def _open_backend(store: Path | None, url: str | None) -> Backend:
    from jobspan import backends

    return backends.open_backend(store, url)


def _open_broker(url: str, frameworks: tuple[Framework, ...], queues: tuple[str, ...], management: str) -> BrokerReader:
    from jobspan import brokers

    return brokers.open_broker(url, frameworks=frameworks, queues=queues, management=management)


def _has_default_store() -> bool:
    from jobspan.backends.store.address import default_store

    return default_store().exists()


def _environ() -> Mapping[str, str]:
    return os.environ


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a command line finds its backend, its broker, the time and its environment."""

    open_backend: OpenBackend = _open_backend
    open_broker: OpenBroker = _open_broker
    has_default_store: Callable[[], bool] = _has_default_store
    now_ns: Callable[[], int] = time.time_ns
    pause: Callable[[float], None] = time.sleep
    environ: Mapping[str, str] = field(default_factory=_environ)


@dataclass(frozen=True, slots=True)
class Place:
    """Which backend: a store's path, a server's address, or neither for the default store.

    ``again``: the options that name it on a next command line, empty when the environment does.
    """

    store: str | None
    url: str | None
    again: str = ""

    def __str__(self) -> str:
        return self.url or self.store or "the default store"

    @property
    def program(self) -> str:
        """What answers there: ``Jaeger``, ``Tempo``, ``jobspan serve``, or ``the store``."""
        if not self.url:
            return "the store"
        return {"jaeger": "Jaeger", "tempo": "Tempo"}.get(self.url.partition("=")[0], "jobspan serve")


def place(store: str | None, url: str | None, environ: Mapping[str, str]) -> Place:
    """Choose the backend: what was typed, else what the environment says.

    Raises:
        UsageError: both a store and an address were typed.
    """
    if store and url:
        raise UsageError("saw --store and --backend together; give the one to read from")
    if store or url:
        return Place(store, url, f" --store {shlex.quote(store)}" if store else f" --backend {shlex.quote(str(url))}")
    settings = load_reading(environ)
    return Place(settings.store or None, settings.backend or None)


@contextmanager
def opened(environment: Environment, where: Place) -> Iterator[Backend]:
    """Open a backend, and close it at the end."""
    backend = environment.open_backend(Path(where.store).expanduser() if where.store else None, where.url)
    try:
        yield backend
    finally:
        backend.close()
