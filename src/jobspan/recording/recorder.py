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
from jobspan.recording import children
from jobspan.recording.batches import Batches
from jobspan.recording.commands import Commands
from jobspan.recording.cut_over import CutOver
from jobspan.recording.deaths import Deaths
from jobspan.recording.flight_log import flight_log
from jobspan.recording.idle import is_idle
from jobspan.recording.instruments import Instruments
from jobspan.recording.passing import Passing
from jobspan.recording.publishes import Publishes
from jobspan.recording.run_spans import RunSpans
from jobspan.recording.told_runs import ToldRuns
from jobspan.settings import Settings


class Recorder:
    """Takes events, one call each; the same spans and attributes whatever library they came from.

    Args:
        settings: how to record.
        given: ``tracer_provider``, ``meter_provider``, ``logger_provider``, the global ones where not given;
            ``publish_hook`` and ``run_hook``.
    """

    def __init__(self, settings: Settings, **given: Any) -> None:
        self._instruments = instruments = Instruments(settings, __version__, **given)
        told = ToldRuns(instruments)
        deaths = Deaths(instruments, told)
        commands = Commands(instruments, deaths.look_around)
        cut_over = CutOver(settings.trace_job_limit)
        publishes = Publishes(instruments, commands, cut_over)
        batches = Batches(instruments, commands, cut_over)
        children.tell_with(deaths.tell_orphan)
        runs = RunSpans(instruments)
        passing = Passing(instruments, cut_over)
        self.passes_on, self.passes_by = passing.publish, passing.run
        flight_log.configure(settings.state_dir, given.get("tracer_provider"))
        self._begin: dict[type, Callable[[Any], None]] = {
            PublishStarted: publishes.started,
            BatchStarted: batches.started,
            RunStarted: runs.started,
            RunLost: deaths.lost,
            JobDropped: told.dropped,
            WatchStarted: deaths.watch_started,
            ProcessLeaving: deaths.process_leaving,
            ProcessEnded: deaths.process_ended,
            WatchEnded: deaths.watch_ended,
            CommandStarted: commands.started,
            ProgramStarted: commands.program_started,
            ProcessJoined: commands.process_joined,
        }
        self._end: dict[type, Callable[[Any], None]] = {
            PublishFinished: publishes.finished,
            BatchFinished: batches.finished,
            RunFinished: runs.finished,
            RunAbandoned: runs.abandoned,
            CommandNamed: commands.named,
            CommandFinished: commands.finished,
            DaemonStarted: commands.daemon_started,
            ProgramReplaced: commands.program_replaced,
        }

    def __call__(self, event: Event) -> None:
        """Write one event down. What was begun is always ended; nothing is begun under suppressed instrumentation."""
        end = self._end.get(type(event))
        if end is not None:
            end(event)
        elif is_instrumentation_enabled():
            self._begin[type(event)](event)

    def ignores(self, carrier: Mapping[str, Any]) -> bool:
        """Say whether nothing would come of a publish or run with this carrier."""
        return not self._instruments.has_sdk and is_idle(self._instruments, carrier)
