"""Whether broker, collector and backend answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any

from jobspan.backends.base import Backend, ReportsDrops, RunFilter
from jobspan.brokers.base import BrokerReader
from jobspan.errors import BackendError, BrokerError, MissingExtra
from jobspan.health.doctor import critical, fine, unknown, warning
from jobspan.health.doctor.environment import SIGNALS, exporter_of, protocol
from jobspan.health.findings import Finding

_ANSWER_S = 3
_USER_OF_URL = re.compile(r"//[^/@\s]*@")


def broker(reader: BrokerReader) -> Iterator[Finding]:
    """Yield whether the broker answers."""
    where = f"{reader.broker.system} at {reader.broker.address}:{reader.broker.port}"
    try:
        state = reader.look()
    except (BrokerError, MissingExtra) as error:
        yield critical("broker", _without_user(error), "start it, or name the right one with --broker")
        return
    yield fine("broker", f"{where} answers")
    if state.workers is not None and not state.workers:
        # Idle workers of Dramatiq on Redis cannot be distinguished from programs that publish jobs.
        yield unknown("workers", f"none is known on {where}", "where none runs start one: jobspan workers")


def collector(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Send an empty request of each signal with the exporter that workers have; the process's environment holds."""
    for signal in SIGNALS:
        name = exporter_of(signal, environ)
        if name is not None:
            yield _answers(signal, name, protocol(signal, environ))


def backend(opened: Backend, place: str) -> Finding:
    """Return whether the backend can be read.

    Raises:
        BackendError: it cannot.
    """
    newest = opened.runs(RunFilter(limit=1))
    dropped = opened.dropped() if isinstance(opened, ReportsDrops) else {}
    if dropped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        return warning("backend", f"telemetry was dropped in the last hour: {reasons}", "see the log of its sender")
    return fine("backend", f"{place} answers{'' if newest else '; it holds no run yet'}")


def backend_unreadable(error: BackendError) -> Finding:
    """Return that the backend cannot be read."""
    return critical("backend", _without_user(error), "start jobspan serve, or name another: --backend, --store")


def backend_not_named() -> Finding:
    """Return that no backend is named."""
    return unknown("backend", "none is named and there is no store", "name one with --backend or --store")


def _answers(signal: str, exporter: str, protocol_name: str) -> Finding:
    found = next(iter(entry_points(group=f"opentelemetry_{signal}_exporter", name=exporter)), None)
    if found is None:
        return critical("collector", f"is not asked: {exporter} is not installed", "pip install 'jobspan[otlp]'")
    with _captured_logs() as messages:
        try:
            sender: Any = found.load()(timeout=_ANSWER_S)
            is_sent = sender.export(_nothing(signal)).name == "SUCCESS"
            sender.shutdown()
        except Exception as error:  # noqa: BLE001 - whatever an exporter's setup raises
            is_sent = False
            messages.append(f"{type(error).__name__}: {error}")
    if is_sent:
        return fine("collector", f"takes {signal} over {protocol_name}")
    why = _without_user(messages[-1]) if messages else "it did not answer"
    seen = f"does not take {signal} over {protocol_name}: {why}"
    if signal == "traces":
        return critical("collector", seen, "check that it runs, and OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL")
    return warning("collector", seen, f"where it takes none set OTEL_{signal.upper()}_EXPORTER=none")


def _without_user(messages: object) -> str:
    return _USER_OF_URL.sub("//", str(messages))


def _nothing(signal: str) -> Any:
    if signal != "metrics":
        return []
    from opentelemetry.sdk.metrics.export import MetricsData

    return MetricsData(resource_metrics=[])


@contextmanager
def _captured_logs() -> Iterator[list[str]]:
    """Collect what exporters log of a failure instead of raising it."""
    messages: list[str] = []

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    log, capture = logging.getLogger("opentelemetry.exporter"), Capture(logging.WARNING)
    propagates, log.propagate = log.propagate, False
    log.addHandler(capture)
    try:
        yield messages
    finally:
        log.removeHandler(capture)
        log.propagate = propagates
