"""Command events → command spans: the root of the work that a console command causes."""

from __future__ import annotations

import os
import sys
from contextvars import Token
from threading import Lock

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, get_current_span, set_span_in_context

from jobspan import conventions as c
from jobspan.events import CommandFinished, CommandStarted
from jobspan.recording import propagation, summaries
from jobspan.recording.instruments import Instruments, say_once_that_nothing_records, set_error
from jobspan.recording.open_spans import OpenSpans
from jobspan.recording.origin import ORIGIN, Origin, origin_of


class _OpenCommand:
    """A command under way, and how many jobs this process has put for it."""

    __slots__ = ("_lock", "failed_to_publish", "inside", "origin", "published", "span", "token")

    def __init__(self, span: Span, inside: Context, token: Token[Context], origin: Origin) -> None:
        self.span = span
        self.inside = inside
        self.token = token
        self.origin = origin
        self.published = 0
        self.failed_to_publish = 0
        self._lock = Lock()

    def count(self, *, failed: bool) -> None:
        with self._lock:
            if failed:
                self.failed_to_publish += 1
            else:
                self.published += 1


# Shared by all recorders of a process: the command is one instrumentor's, the publishes are another's.
_open: OpenSpans[_OpenCommand] = OpenSpans()
_by_id: dict[str, _OpenCommand] = {}


class Commands:
    """Writes command spans and counts what they put."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def started(self, event: CommandStarted) -> None:
        """Open the span under the caller's, or under the ``TRACEPARENT`` of the environment, and make it current."""
        incoming = propagation.read(event.carrier, otel_context.get_current())
        attributes: dict[str, str | int] = {
            c.JOBSPAN_COMMAND_NAME: event.name,
            c.PROCESS_EXECUTABLE_NAME: os.path.basename(sys.executable) or "python",  # noqa: PTH119 - no pathlib for one name
            c.PROCESS_PID: os.getpid(),
        }
        span = self._instruments.tracer.start_span(
            event.name,
            context=incoming.context,
            kind=SpanKind.INTERNAL,
            attributes=attributes,
            start_time=event.at_ns,
        )
        if not span.get_span_context().is_valid:
            say_once_that_nothing_records()
            return
        self._enter(event, span, incoming.context)
        self._instruments.logs.started(c.EVENT_COMMAND_STARTED, span, attributes, event.at_ns)

    def finished(self, event: CommandFinished) -> None:
        """Write the exit code and the counts, and end the span."""
        command = _open.take(event.key)
        if command is None:
            return
        _by_id.pop(str(command.origin.command_id), None)
        try:
            summaries.end_those_of(command.origin.span.span_id)
            self._describe_end(command, event)
            origin = command.origin
            self._instruments.metrics.command_ended(origin.command_name, command.span, origin.trace_started_ns, event)
            command.span.end(event.at_ns)
        finally:
            otel_context.detach(command.token)

    def caller(self) -> Context:
        """Return the caller's context; in a thread that has none, the open command's."""
        context = otel_context.get_current()
        if get_current_span(context) is not INVALID_SPAN or origin_of(context) is not None:
            return context
        return self.adopt(context)

    def adopt(self, context: Context) -> Context:
        """Return the open command's context for work without one of its own, such as a thread that it started."""
        command = _open.newest()
        if command is None:
            return context
        return otel_context.set_value(ORIGIN, command.origin, set_span_in_context(command.span, context))

    def count_publish(self, command_id: str | None, *, failed: bool) -> None:
        """Count a publish for the command that caused it, if that command runs in this process."""
        command = _by_id.get(command_id) if command_id is not None else None
        if command is not None:
            command.count(failed=failed)

    def _enter(self, event: CommandStarted, span: Span, context: Context) -> None:
        found = span.get_span_context()
        origin = Origin(
            found, command_id=f"{found.span_id:016x}", command_name=event.name, trace_started_ns=event.at_ns
        )
        inside = otel_context.set_value(ORIGIN, origin, set_span_in_context(span, context))
        command = _OpenCommand(span, inside, otel_context.attach(inside), origin)
        span.set_attribute(c.JOBSPAN_COMMAND_ID, str(origin.command_id))
        _open.add(event.key, command)
        _by_id[str(origin.command_id)] = command

    def _describe_end(self, command: _OpenCommand, event: CommandFinished) -> None:
        if not command.span.is_recording():
            return
        command.span.set_attributes(
            {
                c.PROCESS_EXIT_CODE: event.exit_code,
                c.JOBSPAN_COMMAND_JOBS_PUBLISHED: command.published,
                c.JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH: command.failed_to_publish,
            }
        )
        text = self._instruments.exception_text(event.error) if event.error is not None else None
        if text is not None:
            self._instruments.record_exception(command.span, text, c.EXCEPTION_EVENT, event.at_ns)
        if event.exit_code != 0:
            set_error(command.span, text.type if text else str(event.exit_code), text.message if text else None)
