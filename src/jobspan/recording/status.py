"""Span status, ``error.type`` and exception of a run, from its outcome."""

from __future__ import annotations

from opentelemetry.trace import Span

from jobspan import conventions as c
from jobspan.jobs import Outcome
from jobspan.recording.exceptions import ExceptionText
from jobspan.recording.instruments import Instruments, set_error

_ERRORS = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.UNROUTABLE, Outcome.REJECTED})
_ERROR_TYPES = {Outcome.TIMED_OUT: c.ERROR_TIMEOUT, Outcome.LOST: c.ERROR_WORKER_LOST}


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
    if text is not None:
        instruments.record_exception(span, text, c.EVENT_PROCESS_EXCEPTION, at_ns)
    if _is_error(outcome, instruments, has_exception=text is not None) and not is_asked_for:
        kind = _ERROR_TYPES.get(outcome) or error_type or (text.type if text else c.ERROR_OTHER)
        set_error(span, kind, text.message if text else None)


def _is_error(outcome: Outcome, instruments: Instruments, *, has_exception: bool) -> bool:
    if outcome is Outcome.RETRIED:
        return has_exception and instruments.settings.retry_status == "error"
    return outcome in _ERRORS
