"""The sink of all job events: decides names, parents, links and status, and writes with the OpenTelemetry API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from jobspan import __version__
from jobspan.events import (
    BatchFinished,
    BatchStarted,
    CommandFinished,
    CommandNamed,
    CommandStarted,
    DaemonStarted,
    Event,
    JobDropped,
    PassingRun,
    ProcessEnded,
    ProcessJoined,
    ProcessLeaving,
    ProgramReplaced,
    ProgramStarted,
    PublishFinished,
    PublishStarted,
    RunAbandoned,
    RunFinished,
    RunLost,
    RunStarted,
    WatchEnded,
    WatchStarted,
)
from jobspan.recording.flight_log import flight_log
from jobspan.recording.idle import is_idle
from jobspan.recording.instruments import Instruments
from jobspan.recording.parts import Part, Parts, Steps
from jobspan.settings import Settings

_BEGIN = {
    PublishStarted: ("publishes", "started"),
    BatchStarted: ("batches", "started"),
    RunStarted: ("runs", "started"),
    RunLost: ("deaths", "lost"),
    JobDropped: ("told", "dropped"),
    WatchStarted: ("deaths", "watch_started"),
    ProcessLeaving: ("deaths", "process_leaving"),
    ProcessEnded: ("deaths", "process_ended"),
    WatchEnded: ("deaths", "watch_ended"),
    CommandStarted: ("commands", "started"),
    ProgramStarted: ("commands", "program_started"),
    ProcessJoined: ("commands", "process_joined"),
}
_END = {
    PublishFinished: ("publishes", "finished"),
    BatchFinished: ("batches", "finished"),
    RunFinished: ("runs", "finished"),
    RunAbandoned: ("runs", "abandoned"),
    CommandNamed: ("commands", "named"),
    CommandFinished: ("commands", "finished"),
    DaemonStarted: ("commands", "daemon_started"),
    ProgramReplaced: ("commands", "program_replaced"),
}


class Recorder:
    """Takes events, one call each; the same spans and attributes whatever library they came from.

    Args:
        settings: how to record.
        given: ``tracer_provider``, ``meter_provider``, ``logger_provider``, the global ones where not given;
            ``publish_hook`` and ``run_hook``.
    """

    def __init__(self, settings: Settings, **given: Any) -> None:
        self._instruments = Instruments(settings, __version__, **given)
        flight_log.configure(settings.state_dir, given.get("tracer_provider"))
        self._parts = Parts(self._instruments)
        self._steps = Steps(self._parts, {**_BEGIN, **_END})

    def __call__(self, event: Event) -> None:
        """Write one event down. What was begun is always ended; nothing is begun under suppressed instrumentation."""
        kind = type(event)
        if kind in _END or is_instrumentation_enabled():
            self._steps[kind](event)

    @Part
    def passes_on(self) -> Callable[..., bool]:
        """Pass on what a publish does that nobody records, see ``JobSink``."""
        return self._parts.passing.publish

    @Part
    def passes_by(self) -> Callable[..., PassingRun | None]:
        """Return a run that nobody records, see ``JobSink``."""
        return self._parts.passing_runs.run

    def ignores(self, carrier: Mapping[str, Any]) -> bool:
        """Say whether nothing would come of a publish or run with this carrier."""
        return not self._instruments.has_sdk and is_idle(self._instruments, carrier)
