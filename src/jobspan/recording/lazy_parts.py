"""The parts of a recorder, each made, and its modules imported, when the first event of its kind comes.

A script that publishes no job does not load publishing, and one that only publishes does not load runs.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from jobspan import forks
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.telemetry.instruments import Instruments

if TYPE_CHECKING:
    from jobspan.recording.context.trace_limits import TraceLimiter
    from jobspan.recording.recovery.dead_processes import DeadProcesses
    from jobspan.recording.spans.batch_spans import Batches
    from jobspan.recording.spans.command_spans import Commands
    from jobspan.recording.spans.publish_spans import Publishes
    from jobspan.recording.spans.reported_runs import ReportedRuns
    from jobspan.recording.spans.run_spans import RunSpans
    from jobspan.recording.unsampled.unsampled_publishes import UnsampledPublishes
    from jobspan.recording.unsampled.unsampled_runs import UnsampledRuns

T = TypeVar("T")

_LONGEST_S = 1.0
"""For which a fork waits; a part is made in milliseconds."""

_making = threading.RLock()


class Part(Generic[T]):
    """An attribute that is made when it is first read, by one thread, and not in the midst of a fork."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: object, _: type) -> T:
        with _making:
            made = vars(owner)
            if self._name not in made:
                _load_what_needs_the_sdk()
                made[self._name] = self._make(owner)
            found: T = made[self._name]
            return found


class Parts:
    """The parts of one recorder."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        flight_log.when_unwatched(self._sweep_orphans)

    def make_all(self) -> None:
        """Make what a worker needs: its children are to find it made, not to make it once each."""
        for name in ("runs", "publishes", "batches", "unsampled_publishes", "unsampled_runs", "deaths"):
            getattr(self, name)

    @Part
    def commands(self) -> Commands:
        """Return what writes command spans."""
        from jobspan.recording.spans import child_processes
        from jobspan.recording.spans.command_spans import Commands

        child_processes.recover_with(self._recover_orphan)
        return Commands(self._instruments, self._recover_some)

    @Part
    def publishes(self) -> Publishes:
        """Return what writes publish spans."""
        from jobspan.recording.spans.publish_spans import Publishes

        return Publishes(self._instruments, self.commands, self._trace_limiter)

    @Part
    def batches(self) -> Batches:
        """Return what writes batch spans."""
        from jobspan.recording.spans.batch_spans import Batches

        return Batches(self._instruments, self.commands, self._trace_limiter)

    @Part
    def runs(self) -> RunSpans:
        """Return what writes run spans."""
        from jobspan.probes.run_cost import sampler
        from jobspan.recording.spans.run_spans import RunSpans

        sampler.call_each_second(flight_log.heartbeat)
        return RunSpans(self._instruments)

    @Part
    def reported(self) -> ReportedRuns:
        """Return what writes the spans of runs from one event each."""
        from jobspan.recording.spans.reported_runs import ReportedRuns

        return ReportedRuns(self._instruments)

    @Part
    def deaths(self) -> DeadProcesses:
        """Return what recovers the records of dead processes."""
        from jobspan.recording.recovery.dead_processes import DeadProcesses

        return DeadProcesses(self._instruments, self.reported, before_children=self.make_all)

    @Part
    def unsampled_publishes(self) -> UnsampledPublishes:
        """Return what only propagates: publishes that are not recorded."""
        from jobspan.recording.unsampled.unsampled_publishes import UnsampledPublishes

        return UnsampledPublishes(self._instruments, self._trace_limiter)

    @Part
    def unsampled_runs(self) -> UnsampledRuns:
        """Return what only propagates: runs that are not recorded."""
        from jobspan.recording.unsampled.unsampled_runs import UnsampledRuns

        return UnsampledRuns(self._instruments)

    @Part
    def _trace_limiter(self) -> TraceLimiter:
        from jobspan.recording.context.trace_limits import TraceLimiter

        return TraceLimiter(self._instruments.settings.trace_job_limit)

    def _recover_some(self) -> None:
        if flight_log.has_neighbours:
            self.deaths.recover_some()

    def _recover_orphan(self, path: Path) -> None:
        self.deaths.recover_orphan(path)

    def _sweep_orphans(self, folder: Path) -> None:
        if flight_log.has_neighbours:
            self.deaths.sweep_orphans(folder)


class Steps(dict[type, Callable[[Any], None]]):
    """What is done with each kind of event, found when the first of it comes.

    Args:
        parts: who does it.
        table: the part's name and its method, by the kind of event.
    """

    def __init__(self, parts: Parts, table: dict[type, tuple[str, str]]) -> None:
        self._parts, self._table = parts, table

    def __missing__(self, kind: type) -> Callable[[Any], None]:
        part, method = self._table[kind]
        step: Callable[[Any], None] = getattr(getattr(self._parts, part), method)
        self[kind] = step
        return step


def _load_what_needs_the_sdk() -> None:
    """Load what a part's first span would load, here where no fork comes in between."""
    if "opentelemetry.sdk.trace" in sys.modules:
        from jobspan.recording.sdk import export_acks, ids, span_records  # noqa: F401 - see above


def _hold() -> None:
    # A child cannot go on with an import that another thread of its parent had begun.
    _making.acquire(timeout=_LONGEST_S)


def _go_on() -> None:
    with suppress(RuntimeError):  # it did not get the lock in time
        _making.release()


def _begin_anew() -> None:
    global _making  # noqa: PLW0603 - it was held for the fork
    _making = threading.RLock()


forks.join("lazy parts", before=_hold, in_parent=_go_on, in_child=_begin_anew)
