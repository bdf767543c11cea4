"""What can be seen afterwards: spans as they were kept, and the runs, publishes and commands read from them.

Mirrors ``events``: what the recorder wrote from events, these read back from any backend. Ids are lower-case hex,
times Unix nanoseconds, durations seconds, memory bytes. None: the span does not say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jobspan import conventions as c
from jobspan.jobs import Outcome, has_failed

Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a span; ``type`` is ``jobspan.link.type``."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)

    @property
    def type(self) -> str | None:
        """What the link means, e.g. ``publish`` or ``previous_attempt``; None for a link of another instrumentation."""
        return self.attributes.get(c.JOBSPAN_LINK_TYPE)


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event of a span, or a log event that was filed under it."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was kept: ``kind`` and ``status`` are the lower-case words of OpenTelemetry."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_ns: int
    end_ns: int
    status: str = "unset"
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    events: tuple[SpanEvent, ...] = ()
    resource: Attributes = field(default_factory=dict)
    scope: str = ""

    @property
    def is_error(self) -> bool:
        """Status is ERROR."""
        return self.status == "error"

    @property
    def duration_s(self) -> float:
        """End minus start, seconds."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception of a run or publish, as recorded (redacted there)."""

    type: str | None
    message: str | None
    stacktrace: str | None


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt to do a job. ``outcome`` None and ``end_ns`` None: started, not ended as far as is known."""

    trace_id: str
    span_id: str
    parent_id: str | None
    job_id: str | None
    job_name: str | None
    framework: str
    queue: str | None
    attempt: int
    max_attempts: int | None
    outcome: str | None
    final: bool | None
    failed: bool
    start_ns: int
    end_ns: int | None
    wait_scheduled_s: float | None
    wait_queued_s: float | None
    wait_prefetched_s: float | None
    cpu_s: float | None
    memory_start_bytes: int | None
    memory_end_bytes: int | None
    memory_peak_bytes: int | None
    memory_source: str | None
    concurrency: int | None
    redelivered: bool
    lost_reason: str | None
    exit_code: int | None
    exit_signal: str | None
    oom_killed: bool | None
    error_type: str | None
    failure: Failure | None
    retry_reason: str | None
    retry_delay_s: float | None
    worker: str | None
    pid: int | None
    service: str | None
    command_id: str | None
    command_name: str | None
    parent_job_id: str | None
    links: tuple[Link, ...] = ()

    @property
    def duration_s(self) -> float | None:
        """How long the attempt ran, seconds."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9

    @property
    def waited_s(self) -> float | None:
        """Time between the moment the job was due and its run, seconds: queued plus prefetched."""
        parts = [part for part in (self.wait_queued_s, self.wait_prefetched_s) if part is not None]
        return sum(parts) if parts else None


@dataclass(frozen=True, slots=True)
class Publish:
    """One job handed to the broker, or not: ``failure`` says why."""

    trace_id: str
    span_id: str
    parent_id: str | None
    job_id: str | None
    job_name: str | None
    framework: str
    queue: str | None
    start_ns: int
    end_ns: int
    error_type: str | None
    failure: Failure | None
    command_id: str | None
    command_name: str | None


@dataclass(frozen=True, slots=True)
class Command:
    """One console command at the root of work; its id is its span id."""

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    exit_code: int | None
    published: int
    failed_to_publish: int
    error_type: str | None
    failure: Failure | None
    host: str | None
    pid: int | None
    service: str | None
    outcome: str | None = None
    exit_signal: str | None = None

    @property
    def duration_s(self) -> float:
        """How long the command's body took, seconds."""
        return (self.end_ns - self.start_ns) / 1e9


def is_run(span: Span) -> bool:
    """Say whether a span is a run span of jobspan."""
    return c.JOBSPAN_FRAMEWORK in span.attributes and span.attributes.get(c.MESSAGING_OPERATION_NAME) == c.OPERATION_RUN


def is_publish(span: Span) -> bool:
    """Say whether a span is a publish span of jobspan: of one job, no batch."""
    return (
        c.JOBSPAN_FRAMEWORK in span.attributes
        and span.attributes.get(c.MESSAGING_OPERATION_NAME) == c.OPERATION_PUBLISH
        and c.MESSAGING_BATCH_MESSAGE_COUNT not in span.attributes
    )


def is_publish_batch(span: Span) -> bool:
    """Say whether a span is a batch span of jobspan: around many publish spans, or in their place."""
    return c.JOBSPAN_FRAMEWORK in span.attributes and c.MESSAGING_BATCH_MESSAGE_COUNT in span.attributes


def is_command(span: Span) -> bool:
    """Say whether a span is a command span of jobspan: its own id is the command's."""
    return span.attributes.get(c.JOBSPAN_COMMAND_ID) == span.span_id


def run_from_span(span: Span) -> Run:
    """Read a run span (see ``is_run``)."""
    a = span.attributes
    outcome = a.get(c.JOBSPAN_JOB_OUTCOME)
    final = a.get(c.JOBSPAN_JOB_FINAL)
    return Run(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        job_id=a.get(c.MESSAGING_MESSAGE_ID),
        job_name=a.get(c.JOBSPAN_JOB_NAME),
        framework=a[c.JOBSPAN_FRAMEWORK],
        queue=a.get(c.MESSAGING_DESTINATION_NAME),
        attempt=a.get(c.JOBSPAN_JOB_ATTEMPT, 1),
        max_attempts=a.get(c.JOBSPAN_JOB_MAX_ATTEMPTS),
        outcome=outcome,
        final=final,
        failed=has_failed(outcome, final=final, is_error=span.is_error),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        wait_scheduled_s=a.get(c.JOBSPAN_JOB_WAIT_SCHEDULED),
        wait_queued_s=a.get(c.JOBSPAN_JOB_WAIT_QUEUED),
        wait_prefetched_s=a.get(c.JOBSPAN_JOB_WAIT_PREFETCHED),
        cpu_s=a.get(c.JOBSPAN_JOB_CPU_TIME),
        memory_start_bytes=a.get(c.JOBSPAN_JOB_MEMORY_START),
        memory_end_bytes=a.get(c.JOBSPAN_JOB_MEMORY_END),
        memory_peak_bytes=a.get(c.JOBSPAN_JOB_MEMORY_PEAK),
        memory_source=a.get(c.JOBSPAN_JOB_MEMORY_SOURCE),
        concurrency=a.get(c.JOBSPAN_JOB_CONCURRENCY),
        redelivered=a.get(c.JOBSPAN_JOB_REDELIVERED) is True,
        lost_reason=a.get(c.JOBSPAN_JOB_LOST_REASON),
        exit_code=a.get(c.JOBSPAN_JOB_EXIT_CODE),
        exit_signal=a.get(c.JOBSPAN_JOB_EXIT_SIGNAL),
        oom_killed=a.get(c.JOBSPAN_JOB_OOM_KILLED),
        error_type=a.get(c.ERROR_TYPE),
        failure=failure_of(span),
        retry_reason=a.get(c.JOBSPAN_JOB_RETRY_REASON),
        retry_delay_s=a.get(c.JOBSPAN_JOB_RETRY_DELAY),
        worker=a.get(c.MESSAGING_CLIENT_ID),
        pid=a.get(c.PROCESS_PID),
        service=span.resource.get("service.name"),
        command_id=a.get(c.JOBSPAN_COMMAND_ID),
        command_name=a.get(c.JOBSPAN_COMMAND_NAME),
        parent_job_id=a.get(c.JOBSPAN_JOB_PARENT_ID),
        links=span.links,
    )


def publish_from_span(span: Span) -> Publish:
    """Read a publish span (see ``is_publish``)."""
    a = span.attributes
    return Publish(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        job_id=a.get(c.MESSAGING_MESSAGE_ID),
        job_name=a.get(c.JOBSPAN_JOB_NAME),
        framework=a[c.JOBSPAN_FRAMEWORK],
        queue=a.get(c.MESSAGING_DESTINATION_NAME),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        error_type=a.get(c.ERROR_TYPE),
        failure=failure_of(span),
        command_id=a.get(c.JOBSPAN_COMMAND_ID),
        command_name=a.get(c.JOBSPAN_COMMAND_NAME),
    )


def command_from_span(span: Span) -> Command:
    """Read a command span (see ``is_command``)."""
    a = span.attributes
    return Command(
        trace_id=span.trace_id,
        span_id=span.span_id,
        name=a.get(c.JOBSPAN_COMMAND_NAME, span.name),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        exit_code=a.get(c.PROCESS_EXIT_CODE),
        published=a.get(c.JOBSPAN_COMMAND_JOBS_PUBLISHED, 0),
        failed_to_publish=a.get(c.JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH, 0),
        error_type=a.get(c.ERROR_TYPE),
        failure=failure_of(span),
        host=span.resource.get("host.name"),
        pid=a.get(c.PROCESS_PID),
        service=span.resource.get("service.name"),
        outcome=a.get(c.JOBSPAN_COMMAND_OUTCOME),
        exit_signal=a.get(c.JOBSPAN_COMMAND_EXIT_SIGNAL),
    )


def failure_of(span: Span) -> Failure | None:
    """Find the exception of a span: the last one recorded, as span event or as log event; None without one."""
    for event in reversed(span.events):
        if c.EXCEPTION_TYPE in event.attributes:
            return Failure(
                type=event.attributes[c.EXCEPTION_TYPE],
                message=event.attributes.get(c.EXCEPTION_MESSAGE),
                stacktrace=event.attributes.get(c.EXCEPTION_STACKTRACE),
            )
    return None


def open_run_from_event(event: SpanEvent, trace_id: str, span_id: str, resource: Attributes) -> Run:
    """Read a ``jobspan.job.started`` log event: a run of which no end is known yet."""
    opened = Span(
        trace_id,
        span_id,
        None,
        "",
        "consumer",
        event.time_ns,
        0,
        attributes=event.attributes,
        resource=resource,
    )
    run = run_from_span(opened)
    return replace(run, end_ns=None, outcome=None, final=None)


RUNNING = "running"
"""The word for a run without an outcome, in filters and tables."""

OUTCOMES = (*(outcome.value for outcome in Outcome), RUNNING)
