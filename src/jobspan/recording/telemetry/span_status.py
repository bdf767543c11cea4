"""Span status, ``error.type`` and exception of a run, from its outcome."""

from __future__ import annotations

from opentelemetry.trace import Span

from jobspan import conventions as c
from jobspan.jobs import Outcome
from jobspan.recording.attributes.exception_text import ExceptionText
from jobspan.recording.telemetry.instruments import Instruments, set_error

_ERRORS = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.UNROUTABLE, Outcome.REJECTED})
_ERROR_TYPES = {Outcome.TIMED_OUT: c.ERROR_TIMEOUT, Outcome.LOST: c.ERROR_WORKER_LOST}


def error_type_of(
    outcome: Outcome,
    instruments: Instruments,
    type_name: str | None,
    error_type: str | None = None,
    *,
    is_asked_for: bool = False,
) -> str | None:
    """Return ``error.type`` of a run, the same on span and metric; None when its end is no error.

    Args:
        type_name: of the exception; None when none ended the run.
        error_type: what it is to be where neither outcome nor exception decide it.
        is_asked_for: the job itself asked to be rejected, which is no error.
    """
    if is_asked_for or not _is_error(outcome, instruments, has_exception=type_name is not None):
        return None
    return _ERROR_TYPES.get(outcome) or error_type or type_name or c.ERROR_OTHER


def set_status(
    span: Span,
    instruments: Instruments,
    outcome: Outcome,
    text: ExceptionText | None,
    at_ns: int,
    error_type: str | None = None,
    *,
    is_asked_for: bool = False,
) -> None:
    """Record the exception and set the status as the table of outcomes says.

    Args:
        text: the exception in words; None when none ended the run.
        error_type: what ``error.type`` is to be where neither outcome nor exception decide it.
        is_asked_for: the job itself asked to be rejected, which is no error.
    """
    if outcome is Outcome.SUCCEEDED and text is None:
        return
    if text is not None:
        instruments.record_exception(span, text, c.EVENT_PROCESS_EXCEPTION, at_ns)
    type_name = text.type if text else None
    kind = error_type_of(outcome, instruments, type_name, error_type, is_asked_for=is_asked_for)
    if kind is not None:
        set_error(span, kind, text.message if text else None)


def _is_error(outcome: Outcome, instruments: Instruments, *, has_exception: bool) -> bool:
    if outcome is Outcome.RETRIED:
        return has_exception and instruments.settings.retry_status == "error"
    return outcome in _ERRORS
