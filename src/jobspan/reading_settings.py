"""Every setting of the reading side, apart from those of the instrumentation, which no worker needs to load."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobspan.quantities import bytes_of, seconds_of
from jobspan.settings import (
    JOBSPAN_BACKEND,
    JOBSPAN_BACKEND_HEADERS,
    JOBSPAN_BROKER,
    JOBSPAN_KEEP,
    JOBSPAN_LIMITS,
    JOBSPAN_MANAGEMENT,
    JOBSPAN_MAX_SIZE,
    JOBSPAN_STORE,
    Settings,
    Unreadable,
    a_setting,
    values_of,
)


def _readable(read: Callable[[str], Any]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        try:
            read(text)
        except ValueError as expected:
            raise Unreadable(str(expected)) from expected
        return text

    return parse


@dataclass(frozen=True, slots=True)
class ReadingSettings:
    """How the reading side behaves; each is a command-line option too."""

    store: str = a_setting(
        JOBSPAN_STORE,
        str,
        "",
        "path",
        "the embedded store; by default `jobspan.duckdb` in the user's data folder",
    )
    backend: str = a_setting(
        JOBSPAN_BACKEND,
        str,
        "",
        "`http://host:port`, `jaeger=http://host:16686`, `tempo=http://host:3200`",
        "a `jobspan serve`, a Jaeger or a Tempo to ask instead of the local store",
    )
    backend_headers: str = a_setting(
        JOBSPAN_BACKEND_HEADERS,
        str,
        "",
        "`name=value`, comma-separated, percent-encoded",
        "sent to that backend with every question: `Authorization=Bearer …`, a tenant",
    )
    keep: str = a_setting(
        JOBSPAN_KEEP,
        _readable(seconds_of),
        "14d",
        "`14d`, `36h`, …, `off`",
        "how long `jobspan serve` keeps a span after its end; a hundredth of it longer at most",
    )
    max_size: str = a_setting(
        JOBSPAN_MAX_SIZE,
        _readable(bytes_of),
        "10GB",
        "`500MB`, `5GB`, …, `off`",
        "the store's size on disk above which `jobspan serve` does not go: the oldest spans make room; 256MB or more",
    )
    broker: str = a_setting(
        JOBSPAN_BROKER,
        str,
        "",
        "`redis://host:6379/0`, `amqp://user:password@host/vhost`",
        "the broker that `queues`, `workers`, `health`, `monitor` and `doctor` look at",
    )
    management: str = a_setting(
        JOBSPAN_MANAGEMENT,
        str,
        "",
        "`http://host:15672`",
        "RabbitMQ's management API; by default port 15672 of the broker's host (15671 with `amqps`)",
    )
    limits: str = a_setting(
        JOBSPAN_LIMITS,
        str,
        "",
        "rules apart by `;`",
        "from when on a queue is not healthy: `waiting=5000; billing: oldest=1m, p95=30s`",
    )


def load_reading(environ: Mapping[str, str] = os.environ) -> ReadingSettings:
    """Read the reading side's settings from the environment."""
    return ReadingSettings(**values_of(ReadingSettings, {}, environ))


def misread(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each variable of either side whose value is not understood."""
    problems: list[str] = []
    for side in (Settings, ReadingSettings):
        values_of(side, {}, environ, problems.append)
    return tuple(problems)
