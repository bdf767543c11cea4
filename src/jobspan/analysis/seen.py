"""The commands in a bundle of spans, and the jobs with their publishes, runs and the job that published them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from jobspan import conventions as c
from jobspan.runs import (
    RUNNING,
    Command,
    Publish,
    Run,
    Span,
    command_from_span,
    is_command,
    is_publish,
    is_run,
    publish_from_span,
    run_from_span,
)

WAITING = "waiting"
NOT_PUT = "not put"
"""States of a job without a run: in the queue as far as is known, or its publish failed."""

SpanKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class JobSeen:
    """One job and everything seen of it. ``key`` is its id, or its first span's id when the message had none."""

    key: str
    publishes: tuple[Publish, ...]
    runs: tuple[Run, ...]
    parent_key: str | None

    @property
    def spans(self) -> tuple[Publish | Run, ...]:
        """Its publishes, then its runs."""
        return self.publishes + self.runs

    @property
    def name(self) -> str:
        """The job's name, or the word for one that could not be read."""
        return next((span.job_name for span in self.spans if span.job_name), c.UNKNOWN_JOB)

    @property
    def queue(self) -> str | None:
        """The queue of its newest run, else of its publish."""
        return next((span.queue for span in reversed(self.spans) if span.queue), None)

    @property
    def command_id(self) -> str | None:
        """The command at its root."""
        return next((span.command_id for span in self.spans if span.command_id), None)

    @property
    def command_name(self) -> str | None:
        """The name of the command at its root."""
        return next((span.command_name for span in self.spans if span.command_name), None)

    @property
    def first_ns(self) -> int:
        """When it was first seen."""
        return min(span.start_ns for span in self.spans)

    @property
    def state(self) -> str:
        """Outcome of its newest run, ``running``, ``waiting`` or ``not put``."""
        if self.runs:
            return self.runs[-1].outcome or RUNNING
        return NOT_PUT if all(publish.failure or publish.error_type for publish in self.publishes) else WAITING

    @property
    def has_failed(self) -> bool:
        """A run of it has failed."""
        return any(run.failed for run in self.runs)


@dataclass(frozen=True, slots=True)
class Seen:
    """Commands by id and jobs by key, in order of their first sight."""

    commands: Mapping[str, Command]
    jobs: Mapping[str, JobSeen]

    def lineage(self, key: str) -> tuple[JobSeen, ...]:
        """Return the jobs from the outermost known one down to ``key`` itself."""
        line: list[JobSeen] = []
        job = self.jobs.get(key)
        while job is not None and job not in line:
            line.append(job)
            job = self.jobs.get(job.parent_key or "")
        return tuple(reversed(line))


def see(spans: Iterable[Span], open_runs: Iterable[Run] = ()) -> Seen:
    """Sort spans into commands and jobs.

    Args:
        spans: any spans, foreign ones too.
        open_runs: runs that have begun and have no span yet; one whose span is there is left out.
    """
    spans = sorted(spans, key=lambda span: span.start_ns)
    by_key: dict[SpanKey, Span] = {(span.trace_id, span.span_id): span for span in spans}
    commands = {span.span_id: command_from_span(span) for span in by_key.values() if is_command(span)}
    runs = [_run(span) for span in by_key.values() if is_run(span)]
    runs += [run for run in open_runs if (run.trace_id, run.span_id) not in by_key]
    publishes = [publish_from_span(span) for span in by_key.values() if is_publish(span)]
    jobs = _jobs(publishes, runs, by_key)
    return Seen(commands, {job.key: job for job in sorted(jobs, key=lambda job: job.first_ns)})


def _run(span: Span) -> Run:
    # A backend may report a run in flight as a span without an end.
    run = run_from_span(span)
    return run if span.end_ns else replace(run, end_ns=None, outcome=None, final=None)


def _jobs(publishes: Sequence[Publish], runs: Sequence[Run], spans: Mapping[SpanKey, Span]) -> list[JobSeen]:
    publishes_of, runs_of = defaultdict[str, list[Publish]](list), defaultdict[str, list[Run]](list)
    for publish in publishes:
        publishes_of[publish.job_id or publish.span_id].append(publish)
    for run in sorted(runs, key=lambda run: (run.start_ns, run.attempt)):
        runs_of[run.job_id or run.span_id].append(run)
    keys = dict.fromkeys([*publishes_of, *runs_of])
    return [
        JobSeen(
            key, tuple(publishes_of[key]), tuple(runs_of[key]), _parent(key, publishes_of[key], runs_of[key], spans)
        )
        for key in keys
    ]


def _parent(key: str, publishes: Sequence[Publish], runs: Sequence[Run], spans: Mapping[SpanKey, Span]) -> str | None:
    """Return the job that published this one: as its spans say, else the run that its publish happened in."""
    candidates = [run.parent_job_id for run in runs]
    candidates += [
        spans[publish.trace_id, publish.span_id].attributes.get(c.JOBSPAN_JOB_PARENT_ID) for publish in publishes
    ]
    candidates += [_run_around(publish.trace_id, publish.parent_id, spans) for publish in publishes]
    # The publish of a retry happens inside the job's own run.
    return next((parent for parent in candidates if parent and parent != key), None)


def _run_around(trace_id: str, span_id: str | None, spans: Mapping[SpanKey, Span]) -> str | None:
    passed = set()
    while span_id and span_id not in passed and (span := spans.get((trace_id, span_id))):
        if is_run(span):
            return span.attributes.get(c.MESSAGING_MESSAGE_ID) or span.span_id
        passed.add(span_id)
        span_id = span.parent_id
    return None
