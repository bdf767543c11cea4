"""How a run ended, onto its span, whichever process reports it: attributes, exception, status and ``error.type``.

The value is ``RunFinished``, which the run's own process, the one that saw a job dropped, and the one that recovers
what a dead process left all fill in. ``Metrics.run_ended`` and ``Metrics.run_reported`` count by the same value.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import Span

from jobspan import conventions as c
from jobspan.events import RunFinished
from jobspan.jobs import Outcome
from jobspan.recording.attributes.exception_text import ExceptionText, shortened, type_name
from jobspan.recording.sdk.span_start import add
from jobspan.recording.telemetry.instruments import Instruments, set_error

_ERRORS = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.UNROUTABLE, Outcome.REJECTED})
_ERROR_TYPES = {Outcome.TIMED_OUT: c.ERROR_TIMEOUT, Outcome.LOST: c.ERROR_WORKER_LOST}


def describe(span: Span, end: RunFinished, instruments: Instruments, attributes: dict[str, Any]) -> None:
    """Set attributes, exception, status and the reason of a retry, as the table of outcomes says."""
    add(span, attributes)
    if end.error is None and end.outcome is Outcome.SUCCEEDED:
        return
    text = instruments.exception_text(end.error) if end.error is not None else None
    if text is not None:
        instruments.record_exception(span, text, c.EVENT_PROCESS_EXCEPTION, end.at_ns)
    kind = error_type_of(end, instruments)
    if kind is not None:
        set_error(span, kind, text.message if text else None)
    if end.outcome is Outcome.RETRIED:
        _set_reason(span, end, instruments, text)


def error_type_of(end: RunFinished, instruments: Instruments) -> str | None:
    """Return ``error.type`` of a run, the same on span and metric; None when its end is no error."""
    if end.is_asked_for or not _is_error(end, instruments):
        return None
    name = None if end.error is None else type_name(end.error)
    return _ERROR_TYPES.get(end.outcome) or end.error_type or name or c.ERROR_OTHER


def _is_error(end: RunFinished, instruments: Instruments) -> bool:
    if end.outcome is Outcome.RETRIED:
        return end.error is not None and instruments.settings.retry_status == "error"
    return end.outcome in _ERRORS


def _set_reason(span: Span, end: RunFinished, instruments: Instruments, text: ExceptionText | None) -> None:
    """Say why another run follows: the reason that the job gave, else its exception."""
    if end.retry_reason is not None and instruments.settings.exception_message:
        span.set_attribute(c.JOBSPAN_JOB_RETRY_REASON, shortened(end.retry_reason))
    elif text is not None:
        reason = f"{text.type}: {text.message}" if text.message else text.type
        span.set_attribute(c.JOBSPAN_JOB_RETRY_REASON, reason)
