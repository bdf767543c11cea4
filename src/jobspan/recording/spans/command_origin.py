"""Whose the jobs of a command or process are: those of the command at the root, from what is known around it."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span

from jobspan import conventions as c
from jobspan.events import CommandStarted
from jobspan.recording.context.message_field import MessageField
from jobspan.recording.context.origin import Origin
from jobspan.recording.registry.open_commands import OpenCommand


def command_identity(command: OpenCommand) -> dict[str, Any]:
    """Say which command is at the root: this one, or the one that it is a part of."""
    found = {
        c.JOBSPAN_COMMAND_ID: command.origin.command_id,
        c.JOBSPAN_COMMAND_NAME: command.origin.command_name,
    }
    return {name: value for name, value in found.items() if value is not None}


def id_of(span: Span) -> str:
    """Return the id of the command that a span is."""
    return f"{span.get_span_context().span_id:016x}"


def origin_of_command(event: CommandStarted, span: Span, around: Origin | None, field: MessageField) -> Origin:
    """Say whose the jobs of a command are: those of the command at the root, which may be this one."""
    if around is not None:
        if around.command_id is not None:
            return around
        return around._replace(command_id=id_of(span), command_name=event.name)
    inherited = inherited_origin(span, field, event.at_ns)
    return inherited if inherited.command_id else inherited._replace(command_id=id_of(span), command_name=event.name)


def inherited_origin(span: Span, field: MessageField, at_ns: int) -> Origin:
    """Return whose the jobs of a process are, from what it was given when it was started."""
    started_ms = field.trace_started_ms
    return Origin(
        span.get_span_context(),
        command_id=field.command_id,
        command_name=field.command_name if field.command_id else None,
        job_id=field.parent_job_id,
        depth=field.depth or 0,
        trace_started_ns=started_ms * 1_000_000 if started_ms is not None else at_ns,
    )
