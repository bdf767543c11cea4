"""Command events → command spans: the root of the work that a console command causes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, SpanKind, get_current_span

from jobspan import conventions as c
from jobspan.events import (
    CommandFinished,
    CommandNamed,
    CommandStarted,
    DaemonStarted,
    ProcessJoined,
    ProgramReplaced,
    ProgramStarted,
)
from jobspan.recording.attributes.command_attributes import arguments_of, attributes_at_the_end
from jobspan.recording.context import message_field, propagation
from jobspan.recording.context.message_field import NOTHING, MessageField
from jobspan.recording.context.origin import origin_of
from jobspan.recording.journal.circuit_breaker import reset, share_with_trace
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.registry.child_job_counts import of_children
from jobspan.recording.registry.open_commands import (
    OpenCommand,
    by_id,
    command_of,
    forget_parent,
    newest_of_process,
    open_commands,
    work_for,
)
from jobspan.recording.sdk.flush import flush
from jobspan.recording.spans import publish_batches
from jobspan.recording.spans.child_processes import leave_parent
from jobspan.recording.spans.command_origin import command_identity, id_of, inherited_origin, origin_of_command
from jobspan.recording.spans.program_command import discard, keep_on_record, resume, suspend_replaced, suspended
from jobspan.recording.telemetry.instruments import Instruments, say_once_that_nothing_records, set_error

_BETWEEN_SIGNS_NS = 1_000_000_000


class Commands:
    """Writes command spans and counts what they publish.

    Args:
        instruments: what to write with.
        recover_some: called when a process begins a command: others may have left spans that they could not export.
    """

    def __init__(self, instruments: Instruments, recover_some: Callable[[], None] = lambda: None) -> None:
        self._instruments = instruments
        self._recover_some = recover_some
        self._sign_ns = 0

    def started(self, event: CommandStarted) -> None:
        """Open the span and make it current, or have it ready for publishes without a caller.

        Its parent is the job or command around it; outside of any, the ``TRACEPARENT`` of its environment.
        """
        if self._takes_over(event):
            return
        is_process = event.is_process or newest_of_process() is not None
        suspend_replaced(event)
        context, field = self._place(event)
        attributes = self._at_start(event)
        outer = command_of(context)
        known = origin_of(context)
        span = self._instruments.tracer.start_span(
            event.name,
            context=context,
            kind=SpanKind.INTERNAL,
            attributes=attributes,
            start_time=event.at_ns,
        )
        if not span.get_span_context().is_valid:
            if event.is_current:
                say_once_that_nothing_records()
            return
        command = OpenCommand(
            span,
            event.name,
            origin_of_command(event, span, known, field),
            event.at_ns,
            outer,
            is_process=is_process,
        )
        open_commands.add(event.key, command)
        attributes.update(command_identity(command))
        span.set_attributes(command_identity(command))
        if event.is_current:
            command.enter(context)
        if command.is_process and outer is None:
            share_with_trace(span)
        if span.is_recording():
            keep_on_record(command)
            if command.is_process and outer is None:
                self._recover_some()
        self._instruments.logs.started(c.EVENT_COMMAND_STARTED, span, attributes, event.at_ns)

    def named(self, event: CommandNamed) -> None:
        """Give it the name of its whole path, and what it causes from now on."""
        command = open_commands.get(event.key)
        if command is None or command.name == event.name:
            return
        if command.origin.command_id == id_of(command.span):
            command.origin = command.origin._replace(command_name=event.name)
        command.name = event.name
        command.span.update_name(event.name)
        command.span.set_attributes(command_identity(command))
        if command.is_current:
            command.enter(otel_context.get_current())
        if command.span.is_recording():
            flight_log.clear(command.span)
            keep_on_record(command)

    def finished(self, event: CommandFinished) -> None:
        """Write how it ended and the counts, and end the span."""
        command = open_commands.take(event.key)
        suspended.pop(event.key, None)
        if command is None:
            return
        try:
            if not command.is_discarded:
                publish_batches.end_batches_of(command.span)
                self._end(command, event)
        finally:
            command.leave()

    def daemon_started(self, _: DaemonStarted) -> None:
        """Forget what was taken for a command, and let what follows begin traces of its own."""
        suspended.clear()
        # A command inside a job may well start a server: the job stays what it is.
        found = [command for command in open_commands.all() if not (command.is_in_job or command.is_discarded)]
        for command in found:
            discard(command)
        if found or newest_of_process() is not None:
            forget_parent()
            reset()
            leave_parent()
            otel_context.attach(Context())

    def program_started(self, event: ProgramStarted) -> None:
        """Put the command or job that starts another program into that one's environment."""
        if not _has_caller(otel_context.get_current()):
            resume()
        command = newest_of_process()
        was_used = command is not None and command.is_used
        context = _around(time.time_ns())
        if command is not None:
            command.is_used, command.has_lent = was_used, True
        origin = origin_of(context)
        if origin is None:
            return
        started_ns = origin.trace_started_ns
        field = MessageField(
            command_id=origin.command_id,
            command_name=origin.command_name,
            parent_job_id=origin.job_id,
            depth=origin.depth,
            trace_started_ms=started_ns // 1_000_000 if started_ns is not None else None,
        )
        carrier: dict[str, Any] = {}
        propagation.write(carrier, context, message_field.encode(field))
        event.carrier.update({propagation.variable(name): str(value) for name, value in carrier.items()})

    def process_joined(self, event: ProcessJoined) -> None:
        """Work for the command or job that started this process, as a fork of it would."""
        incoming = propagation.read(event.carrier, Context())
        span, field = get_current_span(incoming.context), incoming.field
        if span.get_span_context().is_valid:
            share_with_trace(span)
            origin = inherited_origin(span, field, time.time_ns())
            work_for(OpenCommand(span, field.command_name or "", origin, time.time_ns(), None, is_process=True))

    def program_replaced(self, _: ProgramReplaced) -> None:
        """End and send what has caused something, its end unknown; forget what only led to the other program."""
        for command in open_commands.all():
            if not (command.is_discarded or command.is_elsewhere) and (command.is_used or command.has_lent):
                self._end(command, CommandFinished(None, None, None, time.time_ns()))
                flush()
            else:
                discard(command)
        open_commands.clear()

    def caller(self, at_ns: int) -> Context:
        """Return the caller's context; in a thread that has none, the command's that the process is there for."""
        context = _around(at_ns)
        if not suspended or _has_caller(context):
            return context
        resume()
        return _around(at_ns)

    def count_publish(self, context: Context, command_id: str | None, at_ns: int, *, failed: bool) -> None:
        """Count a publish for the command that caused it, if that command runs in this process."""
        if not open_commands:
            return
        command = command_of(context) or (by_id(command_id) if command_id is not None else None)
        if command is None:
            return
        command.count(int(not failed), int(failed))
        if command.is_process and at_ns - self._sign_ns > _BETWEEN_SIGNS_NS:
            self._sign_ns = at_ns
            flight_log.heartbeat(at_ns, 0)

    def _takes_over(self, event: CommandStarted) -> bool:
        """Go on with the span of what stood for the same work, where only programs that it started know of it."""
        command = open_commands.get(event.replaces) if event.replaces is not None else None
        if command is None or command.is_used or not command.has_lent:
            return False
        open_commands.take(event.replaces)
        open_commands.add(event.key, command)
        command.span.set_attributes(self._at_start(event))
        self.named(CommandNamed(event.key, event.name))
        if event.is_current:
            command.enter(otel_context.get_current())
        return True

    def _place(self, event: CommandStarted) -> tuple[Context, MessageField]:
        """Return the context that a command begins in, and what its environment says beside."""
        context = _around(event.at_ns)
        if _has_caller(context):
            return context, NOTHING
        incoming = propagation.read(event.carrier, context)
        return incoming.context, incoming.field

    def _at_start(self, event: CommandStarted) -> dict[str, Any]:
        attributes: dict[str, Any] = {
            c.PROCESS_EXECUTABLE_NAME: os.path.basename(sys.executable) or "python",  # noqa: PTH119 - no pathlib for one name
            c.PROCESS_PID: os.getpid(),
            **(event.attributes or {}),
            c.JOBSPAN_COMMAND_NAME: event.name,
        }
        if self._instruments.settings.command_args and event.arguments is not None:
            attributes[c.PROCESS_COMMAND_ARGS] = arguments_of(event.arguments)
        return attributes

    def _end(self, command: OpenCommand, event: CommandFinished) -> None:
        span = command.span
        if command.has_lent:
            command.count(*of_children(id_of(span)))
        text = self._instruments.exception_text(event.error) if event.error is not None else None
        attributes = attributes_at_the_end(event)
        if span.is_recording():
            attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] = command.published
            attributes[c.JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH] = command.failed_to_publish
            span.set_attributes(attributes)
            if text is not None:
                self._instruments.record_exception(span, text, c.EXCEPTION_EVENT, event.at_ns)
            if event.is_lost or event.signal is not None or event.exit_code:
                kind = c.ERROR_COMMAND_LOST if event.is_lost else event.signal or str(event.exit_code)
                set_error(span, text.type if text else kind, text.message if text else None)
            flight_log.record_finished(span, event.at_ns)
        seconds = (event.at_ns - command.started_ns) / 1e9
        self._instruments.metrics.command_ended(command.name, span, seconds, event.exit_code)
        try:
            span.end(event.at_ns)
        finally:
            flight_log.clear(span)


def _around(at_ns: int) -> Context:
    context, command = otel_context.get_current(), newest_of_process()
    return context if command is None or _has_caller(context) else command.around(context, at_ns)


def _has_caller(context: Context) -> bool:
    return get_current_span(context) is not INVALID_SPAN or origin_of(context) is not None
