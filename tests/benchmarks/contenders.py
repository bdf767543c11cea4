"""Who is compared: how each is switched on in a process, and how many spans a job must bring."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from benchmarks.libraries import NOOP
from benchmarks.telemetry import Discarding, collected_in_memory

Flush = Callable[[], None]


class Seen:
    """How many spans of the jobs left, by whatever way a contender sends them."""

    def __init__(self) -> None:
        self.exporter = Discarding()
        self.others = 0
        self.flush: Flush = lambda: None
        self.reader: Any = None

    @property
    def count(self) -> int:
        """Return all."""
        return self.exporter.count + self.others


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to run the same jobs; ``spans`` are those that each job must bring, with Dramatiq ``dramatiq_spans``."""

    name: str
    switch_on: Callable[[str, Seen], None]
    spans: int
    dramatiq_spans: int | None = None
    has_sdk: bool = True
    is_sampled: bool = True
    has_meter: bool = False
    env: dict[str, str] = field(default_factory=dict)

    def expected(self, library: str) -> int:
        """Return how many spans of each job must leave."""
        return self.dramatiq_spans if library == "dramatiq" and self.dramatiq_spans is not None else self.spans

    def begin(self, library: str) -> Seen:
        """Switch it on in this process, before the library's app is made."""
        os.environ.update(self.env)
        seen = Seen()
        if self.has_sdk:
            seen.exporter.set_up(is_sampled=self.is_sampled)
            seen.flush = seen.exporter.flush
        if self.has_meter:
            seen.reader = collected_in_memory()
        self.switch_on(library, seen)
        return seen


def _bare(library: str, seen: Seen) -> None:
    pass


def _loader(library: str, seen: Seen) -> None:
    # What opentelemetry-instrument imports whatever it instruments.
    import_module("opentelemetry.instrumentation.auto_instrumentation._load")


def _floor(library: str, seen: Seen) -> None:
    if library == "celery":
        from benchmarks.floors import celery as floor
    else:
        from benchmarks.floors import dramatiq as floor  # type: ignore[no-redef]  # one or the other
    floor.switch_on()


def _jobspan(library: str, seen: Seen) -> None:
    import jobspan

    (jobspan.CeleryInstrumentor if library == "celery" else jobspan.DramatiqInstrumentor)().instrument()


def _peer(library: str, seen: Seen) -> None:
    if library == "celery":
        from opentelemetry.instrumentation.celery import CeleryInstrumentor

        CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]  # it has no types
        return
    from dramatiq import worker
    from opentelemetry_instrumentor_dramatiq import DramatiqInstrumentor

    # It knows the thread's name of before Dramatiq 2.
    vars(worker).setdefault("_WorkerThread", getattr(worker, "WorkerThread", None))
    DramatiqInstrumentor().instrument()


def _sentry(library: str, seen: Seen) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.dramatiq import DramatiqIntegration
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            event = envelope.get_transaction_event() or {}
            seen.others += event.get("transaction") == NOOP

    # Celery's is switched on by itself.
    more = [DramatiqIntegration()] if library == "dramatiq" else []
    sentry_sdk.init("http://key@127.0.0.1/1", traces_sample_rate=1.0, transport=Nowhere, integrations=more)


def _ddtrace(library: str, seen: Seen) -> None:
    import ddtrace
    from ddtrace.trace import TraceFilter, tracer

    class Nowhere(TraceFilter):
        def process_trace(self, trace: Any) -> None:
            seen.others += sum(NOOP in (span.resource, span.get_tag("actor.name")) for span in trace)

    tracer.configure(trace_processors=[Nowhere()])
    ddtrace.patch(**{library: True})


_QUIET = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_TRACE_STARTUP_LOGS": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_CRASHTRACKING_ENABLED": "false",
}
_NO_RECORD = {"OTEL_PYTHON_JOBSPAN_STATE_DIR": "off"}

FLOOR, JOBSPAN, JOBSPAN_NO_RECORD, PEER = "floor", "jobspan", "jobspan, no flight record", "peer"
FLOOR_METRICS, JOBSPAN_METRICS = "floor, with metrics", "jobspan, with metrics, no flight record"
JOBSPAN_UNSAMPLED, PEER_UNSAMPLED = "jobspan, not sampled", "peer, not sampled"
JOBSPAN_NO_SDK, PEER_NO_SDK = "jobspan, no SDK", "peer, no SDK"
BARE, SDK_ALONE, SDK_WITH_LOADER = "bare", "SDK alone", "SDK and its loader"

_ALL = (
    Contender(BARE, _bare, 0, has_sdk=False),
    Contender(SDK_ALONE, _bare, 0),
    Contender(SDK_WITH_LOADER, _loader, 0),
    Contender(FLOOR, _floor, 2),
    Contender(JOBSPAN, _jobspan, 2),
    Contender(JOBSPAN_NO_RECORD, _jobspan, 2, env=_NO_RECORD),
    Contender(FLOOR_METRICS, _floor, 2, has_meter=True),
    Contender(JOBSPAN_METRICS, _jobspan, 2, has_meter=True, env=_NO_RECORD),
    Contender(JOBSPAN_UNSAMPLED, _jobspan, 0, is_sampled=False),
    Contender(JOBSPAN_NO_SDK, _jobspan, 0, has_sdk=False),
    Contender(PEER, _peer, 2),
    Contender(PEER_UNSAMPLED, _peer, 0, is_sampled=False),
    Contender(PEER_NO_SDK, _peer, 0, has_sdk=False),
    Contender("sentry-sdk", _sentry, 1, has_sdk=False),
    # Of Dramatiq it knows the publishes only.
    Contender("ddtrace", _ddtrace, 2, dramatiq_spans=1, has_sdk=False, env=_QUIET),
)
CONTENDERS = {contender.name: contender for contender in _ALL}
