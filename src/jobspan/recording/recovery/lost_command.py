"""The span of a command whose process could not end it, from its flight record."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span, SpanKind

from jobspan import conventions as c
from jobspan.flight.records import SpanRecord
from jobspan.recording.telemetry.instruments import set_error


def is_command(record: SpanRecord) -> bool:
    """Say whether an open record is a command's: batches say which operation they are."""
    # Runs and publishes say so too, but a job that sets many attributes, or a low limit, drops the first of them.
    return record.kind == SpanKind.INTERNAL.value and c.MESSAGING_OPERATION_NAME not in record.attributes


def as_lost(record: SpanRecord) -> SpanRecord:
    """Return the record with what is known of its end: next to nothing, so it has no exit code and no counts."""
    attributes: dict[str, Any] = {c.JOBSPAN_COMMAND_OUTCOME: c.COMMAND_LOST}
    return record._replace(attributes=dict(record.attributes) | attributes)


def set_lost(span: Span) -> None:
    """Set the status of a command that was lost."""
    set_error(span, c.ERROR_COMMAND_LOST, None)
