"""What dead processes left in their flight files → the spans that they could not write themselves."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from opentelemetry.trace import Span, SpanKind

from jobspan import conventions as c
from jobspan.events import ProcessEnded, ProcessLeaving, RunFinished, RunLost, WatchEnded, WatchStarted
from jobspan.jobs import Outcome
from jobspan.named_tuple import NamedTuple
from jobspan.recording.attributes import run_end_attributes
from jobspan.recording.journal.flight_log import SUPERVISOR, flight_log
from jobspan.recording.recovery.backlog import Backlog
from jobspan.recording.recovery.exit_reason import Exits
from jobspan.recording.recovery.orphan_sweep import sweep_orphans
from jobspan.recording.safety import dropped
from jobspan.recording.sdk.flush import flush_soon, share_the_deadline
from jobspan.recording.sdk.fork_gate import guard_forks
from jobspan.recording.spans.reported_runs import ReportedRuns
from jobspan.recording.telemetry import active_runs, run_end
from jobspan.recording.telemetry.instruments import Instruments, set_error

try:
    from jobspan.flight import lost_runs, reading
    from jobspan.flight.layout import FINISHED, UNWINDING
    from jobspan.flight.records import SpanRecord
    from jobspan.recording.recovery.last_memory import memory_of
    from jobspan.recording.recovery.lost_command import as_lost, is_command, set_lost
except ImportError:  # no file locks: not a POSIX system, and no file is ever opened
    pass

_LAST_CHILDREN_S = 0.5
_SURVIVED_S = 1.0
_AT_ONCE = 20
_LIBRARY_LATE_S = 60.0
"""For longer than that no library reports anything of a run of a process that is dead."""

KnownOutcomes = dict[str | None, RunLost]


class _Death(NamedTuple):
    """How a process died, as attributes of its runs. ``at_ns`` is None where only the last sign of life is known."""

    attributes: Mapping[str, Any]
    at_ns: int | None
    known_outcomes: KnownOutcomes
    is_final: Callable[[str], bool | None]
    is_shutdown: bool = False


class DeadProcesses:
    """Reads the flight files of the processes that this one watches, and once those of workers that died whole.

    How a run was cut off (hard limit, revoke, shutdown) may be known here before its process is dead: it is kept until
    then, for the job may still end by itself.

    Args:
        instruments: what to write with.
        reported: writes a run that left no record.
        before_children: called when this process begins to watch others, which are its children to be.
    """

    def __init__(
        self, instruments: Instruments, reported: ReportedRuns, before_children: Callable[[], object] = lambda: None
    ) -> None:
        self._instruments = instruments
        self._reported = reported
        self._known_outcomes: dict[int, KnownOutcomes] = {}
        self._folder: Path | None = None
        self._name = ""
        self._dead: dict[int, float] = {}
        # A signal handler of the application may call this in the midst of another call.
        self._one_at_a_time = threading.RLock()
        self._backlog = Backlog(self._recover_dead, self._one_at_a_time)
        self._exits = Exits()
        self._before_children = before_children

    def watch_started(self, _: WatchStarted) -> None:
        """Open this process's own file, by which its children name it."""
        self._before_children()
        guard_forks()
        share_the_deadline()
        file = flight_log.open(supervisor="")
        if file is None or self._folder is not None:
            return
        self._folder, self._name = file.path.parent, file.name
        self._exits.begin()
        os.environ[SUPERVISOR] = file.name
        self._instruments.metrics.report_children(partial(reading.open_spans_supervised_by, self._folder, self._name))
        atexit.register(self._leave, os.getpid())

    def sweep_orphans(self, folder: Path) -> None:
        """Begin to recover what others left in a folder that no supervisor watches."""
        sweep_orphans(folder, self.recover_orphan)

    def recover_some(self) -> None:
        """Recover at once what a few processes left that died with their supervisors: a command has time for few."""
        folder = flight_log.folder
        if folder is not None and flight_log.has_exporter:
            for path in islice(reading.orphans(folder), _AT_ONCE):
                if flight_log.has_much_to_send:
                    return
                self.recover_orphan(path)

    def lost(self, event: RunLost) -> None:
        """Keep how a run ended until its process is dead; report it at once where that process keeps no record.

        Of a dead process all is recovered by now: Celery may notice its death seconds later, and time the run out.
        """
        with self._one_at_a_time:
            if event.pid is not None and self._has_record(event.pid):
                is_first = not self._known_outcomes
                self._known_outcomes.setdefault(event.pid, {})[event.job.id] = event
                if is_first:
                    threading.Thread(target=self._report_survivors, daemon=True, name="jobspan-endings").start()
            elif event.pid not in self._dead:
                self._reported.lost(event)

    def process_leaving(self, _: ProcessLeaving) -> None:
        """Say in this process's own file that no death cuts off what is open."""
        flight_log.leaving()

    def process_ended(self, event: ProcessEnded) -> None:
        """Recover all that a process left, once however often its death is reported."""
        if self._folder is None:
            return
        with self._one_at_a_time:
            files = reading.of_process(self._folder, event.pid, self._name)
            found = [path for path in files if path not in self._backlog]
            if not found:
                return
            self._note_dead(event.pid)
            attributes = self._exits.attributes_of(event.exit_code)
            self._recover_in_turn(found, _Death(attributes, event.at_ns, {}, event.is_final, event.is_asked_to))
            flush_soon()

    def watch_ended(self, event: WatchEnded) -> None:
        """Recover what children left whose end was not reported."""
        with self._one_at_a_time:
            self._recover_children(event.is_final)

    def _note_dead(self, pid: int) -> None:
        now_s = time.monotonic()
        self._dead = {pid: at_s for pid, at_s in self._dead.items() if now_s - at_s < _LIBRARY_LATE_S} | {pid: now_s}

    def _has_record(self, pid: int) -> bool:
        return self._folder is not None and next(reading.of_process(self._folder, pid, self._name), None) is not None

    def _report_survivors(self) -> None:
        """Report the runs that were to end with their process, and ended without it: a job may swallow its exit."""
        while self._known_outcomes and self._folder is not None:
            time.sleep(_SURVIVED_S)
            with self._one_at_a_time:
                for pid, known_outcomes in list(self._known_outcomes.items()):
                    found = list(reading.of_process(self._folder, pid, self._name))
                    for path in found:
                        self._report_unwound(path, known_outcomes)
                    if not known_outcomes or not found:
                        self._known_outcomes.pop(pid, None)

    def _report_unwound(self, path: Path, known_outcomes: KnownOutcomes) -> None:
        contents = reading.peek(path)
        if contents is None:
            return
        jobs = {record.span.attributes.get(c.MESSAGING_MESSAGE_ID): record for record in contents.records}
        before_ns = time.time_ns() - int(_SURVIVED_S * 1e9 / 2)
        for job_id in list(known_outcomes):
            record = jobs.get(job_id)
            if record is None or record.state == FINISHED:
                del known_outcomes[job_id]  # it has ended by itself
            elif record.state == UNWINDING and record.seen_ns < before_ns:
                reading.clear(path, record)
                self._cut_off(
                    record, contents, _Death({}, record.seen_ns, {job_id: known_outcomes.pop(job_id)}, _not_known)
                )

    def _leave(self, pid: int) -> None:
        if pid != os.getpid():
            return
        deadline = time.monotonic() + _LAST_CHILDREN_S
        with self._one_at_a_time:
            self._recover_children(_not_known)
            # Those that are being killed at this moment.
            while time.monotonic() < deadline and any(self._kept()):
                time.sleep(0.01)
                self._recover_children(_not_known)
        os.environ.pop(SUPERVISOR, None)
        os.environ.pop(active_runs.SUPERVISOR_COUNTS, None)

    def _recover_children(self, is_final: Callable[[str], bool | None]) -> None:
        found = [path for path in self._kept() if path not in self._backlog and reading.is_orphaned(path)]
        for path in found:
            self._note_dead(_pid_of(path))
        attributes = {c.JOBSPAN_JOB_LOST_REASON: c.LOST_EXIT}
        self._recover_in_turn(found, _Death(attributes, time.time_ns(), {}, is_final))

    def _recover_in_turn(self, found: list[Path], death: _Death) -> None:
        for path in found:
            self._backlog.add(path, death)
        self._backlog.recover()
        for path in found:
            if path in self._backlog:
                self._backlog.add(path, death._replace(is_final=_as_known_now(path, death.is_final)))

    def _kept(self) -> list[Path]:
        return [] if self._folder is None else list(reading.supervised_by(self._folder, self._name))

    def recover_orphan(self, path: Path) -> None:
        """Recover what a process left that no supervisor watches any more."""
        attributes = {c.JOBSPAN_JOB_LOST_REASON: c.LOST_HOST}
        self._recover_file(path, _Death(attributes, None, {}, _not_known), is_watched=False)

    def _recover_dead(self, path: Path, death: _Death) -> None:
        # What the library reported of its runs since it died is as true.
        self._recover_file(path, death._replace(known_outcomes=self._known_outcomes.pop(_pid_of(path), {})))

    def _recover_file(self, path: Path, death: _Death, *, is_watched: bool = True) -> None:
        try:
            with reading.taken(path, is_watched=is_watched) as contents:
                if contents is not None:
                    self._recover_all(contents, death)
        except reading.NotOurs as error:
            dropped.count(dropped.FLIGHT_UNREADABLE, f"a flight file could not be read: {error}")

    def _recover_all(self, contents: reading.FlightContents, death: _Death) -> None:
        if contents.unreadable:
            dropped.count(
                dropped.FLIGHT_UNREADABLE, f"{contents.unreadable} records of a flight file could not be read"
            )
        for record in contents.records:
            try:
                self._recover_one(record, contents, death)
            except Exception as error:  # noqa: BLE001 - a span processor of the user's may raise; the others are recovered
                dropped.count(f"{dropped.HOOK_ERROR}:tell", repr(error), error=error)

    def _recover_one(self, record: reading.LeftRecord, contents: reading.FlightContents, death: _Death) -> None:
        if record.state == FINISHED or (record.span.end_ns and not self._ending_of(record, death)):
            end_ns = record.span.end_ns or record.span.start_ns
            if record.state != FINISHED:
                self._instruments.metrics.run_recovered(record.span.attributes, (end_ns - record.span.start_ns) / 1e9)
            self._write(record.span, contents.resource, end_ns, _nothing_more, times_sent=record.times_sent)
        elif is_command(record.span):
            seen_ns = max(record.span.start_ns, record.seen_ns, contents.seen_ns)
            self._write(as_lost(record.span), contents.resource, death.at_ns or seen_ns, set_lost)
        elif record.span.kind != SpanKind.CONSUMER.value:
            at_ns = max(record.span.start_ns, death.at_ns or record.seen_ns or contents.seen_ns)
            self._write(record.span, contents.resource, at_ns, _cut_short)
        else:
            self._cut_off(record, contents, death)

    def _ending_of(self, record: reading.LeftRecord, death: _Death) -> RunLost | None:
        ending = death.known_outcomes.get(record.span.attributes.get(c.MESSAGING_MESSAGE_ID))
        # It may be of an attempt before this one.
        return None if ending is None or ending.at_ns < record.span.start_ns else ending

    def _cut_off(self, record: reading.LeftRecord, contents: reading.FlightContents, death: _Death) -> None:
        job_id = record.span.attributes.get(c.MESSAGING_MESSAGE_ID)
        ending = self._ending_of(record, death)
        seen_ns = max(record.span.start_ns, record.seen_ns, contents.seen_ns)
        at_ns = max(record.span.start_ns, death.at_ns or seen_ns)
        attributes = dict(record.span.attributes) | (record.span.more or {}) | memory_of(record)
        if ending is not None:
            end = RunFinished(None, ending.outcome, ending.final, at_ns, ending.error)
        else:
            is_shutdown = contents.is_leaving or death.is_shutdown
            outcome = Outcome.INTERRUPTED if is_shutdown else Outcome.LOST
            known = death.is_final(job_id) if job_id else None
            end = RunFinished(None, outcome, not record.span.is_safe if known is None else known, at_ns)
            attributes |= {} if is_shutdown else death.attributes
            if death.at_ns is None:
                attributes[c.JOBSPAN_JOB_END_ESTIMATED] = True
        if end.outcome is Outcome.LOST and not end.final and job_id is not None:
            self._keep_for_the_next(job_id, record.span)
        reason = attributes.get(c.JOBSPAN_JOB_LOST_REASON)
        self._instruments.metrics.run_reported(end, partial(active_runs.of_record, attributes), reason)
        attributes |= run_end_attributes.outcome_of(end)
        span = record.span._replace(attributes=attributes)
        if span.end_ns is not None:  # the end that the job came to by itself is not how it ended
            attributes.pop(c.ERROR_TYPE, None)
            span = span._replace(status=(0, None), events=())
        describe = partial(run_end.describe, end=end, instruments=self._instruments, attributes={})
        self._write(span, contents.resource, at_ns, describe)

    def _keep_for_the_next(self, job_id: str, span: SpanRecord) -> None:
        if flight_log.folder is not None:
            attempt = span.attributes.get(c.JOBSPAN_JOB_ATTEMPT, 1)
            lost = lost_runs.LostRun(f"{span.trace_id:032x}", f"{span.span_id:016x}", attempt)
            lost_runs.note(flight_log.folder, job_id, lost)

    def _write(
        self,
        record: SpanRecord,
        resource: Mapping[str, Any],
        end_ns: int,
        complete: Callable[[Span], None],
        *,
        times_sent: int = 0,
    ) -> None:
        from jobspan.recording.sdk.span_records import begin_as_promised

        span = begin_as_promised(self._instruments.tracer, record, resource)
        if span is None:
            return
        complete(span)
        # From here on it is this process's to lose.
        flight_log.record_finished(span, end_ns, times_sent)
        try:
            span.end(end_ns)
        finally:
            flight_log.clear(span)


def _pid_of(path: Path) -> int:
    return int(path.name.partition("-")[0])


def _as_known_now(path: Path, is_final: Callable[[str], bool | None]) -> Callable[[str], bool | None]:
    """Look up each job that a process left in what the library knows: it forgets them when it has noticed the death."""
    contents = reading.peek(path)
    ids = (
        {record.span.attributes.get(c.MESSAGING_MESSAGE_ID) for record in contents.records}
        if contents is not None
        else set()
    )
    return {job_id: is_final(job_id) for job_id in ids if isinstance(job_id, str)}.get


def _nothing_more(_: Span) -> None:
    pass


def _cut_short(span: Span) -> None:
    set_error(span, c.ERROR_WORKER_LOST, None)


def _not_known(_: str) -> None:
    return None
