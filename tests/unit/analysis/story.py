"""Spans as workers would write them, built a fact at a time: a small world to tell stories about."""

from __future__ import annotations

from itertools import count
from typing import Any

from jobspan import conventions as c
from jobspan.runs import Link, Span, SpanEvent

SECOND = 1_000_000_000
MIDNIGHT = 1_772_323_200 * SECOND
"""2026-03-01T00:00:00Z."""

TRACE = "0af7651916cd43dd8448eb211c80319c"
COMMAND = "7f3a00000000c0de"


def at(clock: str) -> int:
    """Return ``03:12:41.5`` of the story's day as Unix nanoseconds."""
    hours, minutes, seconds = clock.split(":")
    return MIDNIGHT + (int(hours) * 3600 + int(minutes) * 60) * SECOND + round(float(seconds) * 1000) * 1_000_000


class Story:
    """Collects spans; every method adds one and returns it."""

    def __init__(self, trace_id: str = TRACE, command: tuple[str, str] | None = ("import-orders", COMMAND)) -> None:
        """Tell about one trace, caused by ``command`` (name, id) or by none."""
        self.trace_id = trace_id
        self.spans: list[Span] = []
        self._command = command
        self._ids = count(1)

    def command(self, start: str, end: str, *, exit_code: int = 0, parent: str | None = None, **facts: Any) -> Span:
        """Add the command's own span."""
        assert self._command
        name, span_id = self._command
        attributes = {c.PROCESS_EXIT_CODE: exit_code, c.PROCESS_PID: 4000, **facts}
        return self._add(span_id, parent, name, "internal", start, end, attributes, resource={"host.name": "batch-1"})

    def publish(self, job: str, job_id: str, start: str, took_s: float = 0.01, **facts: Any) -> Span:
        """Add the publish of a job, by the command unless ``parent`` names a span id."""
        parent = facts.pop("parent", self._command[1] if self._command else None)
        error = facts.pop("error", None)
        attributes = self._job(job, job_id, "publish", **facts)
        end = at(start) + round(took_s * SECOND)
        return self._add(self._id("a"), parent, f"publish {job}", "producer", start, end, attributes, error=error)

    def run(self, job: str, job_id: str, start: str, ran_s: float, outcome: str = "succeeded", **facts: Any) -> Span:
        """Add a run: ``error`` is (type, message), ``status`` its span status, ``final`` unless retried."""
        error = facts.pop("error", None)
        parent, links = facts.pop("parent", None), facts.pop("links", ())
        status = facts.pop("status", "error" if error else "unset")
        attributes = {
            **self._job(job, job_id, "run", **facts),
            c.JOBSPAN_JOB_OUTCOME: outcome,
            c.JOBSPAN_JOB_FINAL: facts.get("final", outcome != "retried"),
            c.MESSAGING_CLIENT_ID: "celery@w2",
            c.PROCESS_PID: 4711,
        }
        end = at(start) + round(ran_s * SECOND)
        name = f"run {job}"
        return self._add(
            self._id("b"), parent, name, "consumer", start, end, attributes, error=error, links=links, status=status
        )

    def foreign(self, name: str, start: str, took_s: float, parent: str | None) -> Span:
        """Add somebody else's span."""
        end = at(start) + round(took_s * SECOND)
        span = Span(self.trace_id, self._id("f"), parent, name, "client", at(start), end)
        self.spans.append(span)
        return span

    def _job(self, job: str, job_id: str, operation: str, **facts: Any) -> dict[str, Any]:
        named = {
            c.JOBSPAN_FRAMEWORK: facts.get("framework", "celery"),
            c.MESSAGING_OPERATION_NAME: operation,
            c.MESSAGING_DESTINATION_NAME: facts.get("queue", "default"),
            c.MESSAGING_MESSAGE_ID: job_id,
            c.JOBSPAN_JOB_NAME: job,
            c.JOBSPAN_JOB_ATTEMPT: facts.get("attempt", 1),
            c.JOBSPAN_JOB_MAX_ATTEMPTS: facts.get("max_attempts"),
            c.JOBSPAN_JOB_WAIT_QUEUED: facts.get("queued_s"),
            c.JOBSPAN_JOB_WAIT_PREFETCHED: facts.get("prefetched_s"),
            c.JOBSPAN_JOB_WAIT_SCHEDULED: facts.get("scheduled_s"),
            c.JOBSPAN_JOB_CPU_TIME: facts.get("cpu_s"),
            c.JOBSPAN_JOB_MEMORY_START: facts.get("memory", (None, None))[0],
            c.JOBSPAN_JOB_MEMORY_END: facts.get("memory", (None, None))[1],
            c.JOBSPAN_JOB_MEMORY_PEAK: facts.get("peak"),
            c.JOBSPAN_JOB_MEMORY_SOURCE: "exact" if "peak" in facts else None,
            c.JOBSPAN_JOB_PARENT_ID: facts.get("parent_job"),
            c.JOBSPAN_JOB_RETRY_DELAY: facts.get("delay_s"),
        }
        return {name: value for name, value in named.items() if value is not None}

    def _add(
        self,
        span_id: str,
        parent: str | None,
        name: str,
        kind: str,
        start: str,
        end: str | int,
        attributes: dict[str, Any],
        *,
        error: tuple[str, str] | None = None,
        links: tuple[Link, ...] = (),
        status: str = "",
        resource: dict[str, Any] | None = None,
    ) -> Span:
        end_ns = at(end) if isinstance(end, str) else end
        name_and_id = (c.JOBSPAN_COMMAND_NAME, c.JOBSPAN_COMMAND_ID)
        attributes = {**dict(zip(name_and_id, self._command or (), strict=False)), **attributes}
        events: tuple[SpanEvent, ...] = ()
        if error:
            attributes[c.ERROR_TYPE] = error[0]
            events = (SpanEvent(c.EXCEPTION_EVENT, end_ns, _exception(*error)),)
        span = Span(
            trace_id=self.trace_id,
            span_id=span_id,
            parent_id=parent,
            name=name,
            kind=kind,
            start_ns=at(start),
            end_ns=end_ns,
            status=status or ("error" if error else "unset"),
            status_message=error[1] if error else "",
            attributes=attributes,
            links=links,
            events=events,
            resource={"service.name": "shop", **(resource or {})},
            scope=c.SCOPE,
        )
        self.spans.append(span)
        return span

    def _id(self, letter: str) -> str:
        return f"{letter}{next(self._ids):015x}"


def _exception(kind: str, message: str) -> dict[str, str]:
    stack = f'Traceback (most recent call last):\n  File "shop/jobs.py", line 7, in work\n{kind}: {message}\n'
    return {c.EXCEPTION_TYPE: kind, c.EXCEPTION_MESSAGE: message, c.EXCEPTION_STACKTRACE: stack}
