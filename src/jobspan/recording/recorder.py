"""The sink of all job events: decides names, parents, links and status, and writes with the OpenTelemetry API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry.context import get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from jobspan._version import __version__
from jobspan.events import (
    BatchFinished,
    BatchStarted,
    CommandFinished,
    CommandNamed,
    CommandStarted,
    DaemonStarted,
    Event,
    JobDropped,
    ProcessEnded,
    ProcessJoined,
    ProcessLeaving,
    ProgramReplaced,
    ProgramStarted,
    PublishByPattern,
    PublishFinished,
    PublishStarted,
    RunAbandoned,
    RunByPattern,
    RunFinished,
    RunLost,
    RunStarted,
    RunWithoutSpan,
    Sink,
    WatchEnded,
    WatchStarted,
)
from jobspan.job_options import JobOptions
from jobspan.jobs import Job
from jobspan.recording.context import w3c_fast_path
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.lazy_parts import Part, Parts, Steps
from jobspan.recording.telemetry.instruments import Instruments
from jobspan.recording.unsampled.idle import is_idle
from jobspan.settings import Settings

if TYPE_CHECKING:
    # Imported when the first job comes.
    from jobspan.recording.unsampled.unsampled_publishes import UnsampledPublishes
    from jobspan.recording.unsampled.unsampled_runs import UnsampledRuns

_BEGIN = {
    PublishStarted: ("publishes", "started"),
    PublishByPattern: ("publishes", "started_by_pattern"),
    BatchStarted: ("batches", "started"),
    RunStarted: ("runs", "started"),
    RunByPattern: ("runs", "started_by_pattern"),
    RunLost: ("deaths", "lost"),
    JobDropped: ("reported", "dropped"),
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

    Attributes:
        listener: takes each event first; None: there is none.
    """

    def __init__(self, settings: Settings, **given: Any) -> None:
        self._instruments = Instruments(settings, __version__, **given)
        flight_log.configure(settings.state_dir, given.get("tracer_provider"))
        self._parts = Parts(self._instruments)
        self._steps = Steps(self._parts, {**_BEGIN, **_END})
        self.listener: Sink | None = None

    def __call__(self, event: Event) -> None:
        """Write one event down. What was begun is always ended; nothing is begun under suppressed instrumentation."""
        if self.listener is not None:
            self.listener(event.whole() if isinstance(event, (PublishByPattern, RunByPattern)) else event)
        kind = type(event)
        if kind in _END or not get_current() or is_instrumentation_enabled():
            self._steps[kind](event)

    def propagate_only(
        self, carrier: MutableMapping[str, Any], job_id: str | None, at_ns: int, queue: str | None
    ) -> bool:
        """Propagate the context of a publish that is not recorded, see ``JobSink``."""
        return self.listener is None and self._unsampled_publishes.publish(carrier, job_id, at_ns, queue)

    def start_unsampled(
        self,
        carrier: Mapping[str, Any],
        job: Callable[..., Job],
        options: JobOptions,
        at_ns: int,
        *of: Any,
        eager: bool = False,
    ) -> RunWithoutSpan | None:
        """Return a run that is not recorded, see ``JobSink``."""
        # Of a sampled trace more is to be done, and the context is read then.
        if self.listener is not None or (w3c_fast_path.looks_sampled(carrier) and self._instruments.has_sdk):
            return None
        return self._unsampled_runs.run(carrier, partial(job, *of), options, at_ns, eager=eager)

    def is_noop(self, carrier: Mapping[str, Any]) -> bool:
        """Say whether nothing would come of a publish or run with this carrier, see ``JobSink``."""
        return self.listener is None and not self._instruments.has_sdk and is_idle(self._instruments, carrier)

    @Part
    def _unsampled_publishes(self) -> UnsampledPublishes:
        return self._parts.unsampled_publishes

    @Part
    def _unsampled_runs(self) -> UnsampledRuns:
        return self._parts.unsampled_runs
