"""A broker's queues and workers as OpenTelemetry metrics: a thread looks, the exporter reads what it saw last.

Embedded::

    with watch_broker("redis://localhost:6379/0", every_s=15):
        ...
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING

from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter

from jobspan import brokers
from jobspan import conventions as c
from jobspan._version import __version__
from jobspan.brokers.base import BrokerReader
from jobspan.errors import JobspanError
from jobspan.health.check import AskRuns, Health, check
from jobspan.health.limits import LimitRules
from jobspan.health.points import POINTS
from jobspan.jobs import Framework

if TYPE_CHECKING:
    from typing_extensions import Self

_logger = logging.getLogger("jobspan.monitor")

EVERY_S = 15.0
_STALE_AFTER = 3
"""What is older than so many looks is not reported any more."""

_STOP_S = 10.0


class Monitor:
    """Checks a broker periodically, and reports it through a meter.

    Args:
        reader: of the broker; closed with the monitor.
        rules: from when on a queue is not healthy.
        every_s: seconds between two looks.
        ask_runs: asks the backend for failures and run times; None: they are not in the health.
        meter_provider: None: the global one.
        on_look: is called in the monitor's thread with what each look found.
    """

    def __init__(
        self,
        reader: BrokerReader,
        rules: LimitRules,
        *,
        every_s: float = EVERY_S,
        ask_runs: AskRuns | None = None,
        meter_provider: MeterProvider | None = None,
        on_look: Callable[[Health], None] | None = None,
    ) -> None:
        self._reader, self._rules, self._every_s, self._ask_runs = reader, rules, every_s, ask_runs
        self._on_look = on_look
        self._seen: tuple[float, Health] | None = None
        self._stop = Event()
        self._thread = Thread(target=self._go_on, name="jobspan-monitor", daemon=True)
        meter = get_meter(c.SCOPE, __version__, meter_provider, schema_url=c.SCHEMA_URL)
        rows = {row.name: row for row in c.METRICS}
        for name in POINTS:
            meter.create_observable_gauge(name, [self._observer(name)], rows[name].unit, rows[name].meaning)

    def start(self) -> Self:
        """Look once, and go on looking in a thread."""
        self.look()
        self._thread.start()
        return self

    def look(self) -> Health:
        """Look now; what cannot be reached is among the findings."""
        health = check(self._reader, self._rules, self._ask_runs)
        self._seen = (time.monotonic(), health)
        if self._on_look:
            self._on_look(health)
        return health

    def close(self) -> None:
        """Stop checking, and close the connections."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        self._reader.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _go_on(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self.look()
            except JobspanError as error:
                _logger.warning("%s", error)
            except Exception:
                _logger.exception("a look at %s failed; the next one follows", self._reader.broker)

    def _observer(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterator[Observation]:
            seen = self._seen
            if seen is not None and time.monotonic() - seen[0] < _STALE_AFTER * self._every_s:
                for value, attributes in POINTS[name](self._reader.broker, seen[1]):
                    yield Observation(value, attributes)

        return observe


def watch_broker(
    url: str,
    *,
    every_s: float = EVERY_S,
    limits: str = "",
    frameworks: tuple[Framework, ...] = (),
    queues: tuple[str, ...] = (),
    management: str = "",
    meter_provider: MeterProvider | None = None,
) -> Monitor:
    """Return a monitor of the broker at ``url``: it looks while it is entered, or from ``start`` to ``close``.

    Args:
        url: the broker's address; further ones are those of ``brokers.open_broker``.
        every_s: seconds between two looks.
        limits: from when on a queue is not healthy, as in ``JOBSPAN_LIMITS``.
        meter_provider: None: the global one.

    Raises:
        UsageError: an address or limits that cannot be read.
        MissingExtra: the broker's client is not installed.
    """
    reader = brokers.open_broker(url, frameworks=frameworks, queues=queues, management=management)
    return Monitor(reader, LimitRules([limits]), every_s=every_s, meter_provider=meter_provider)
