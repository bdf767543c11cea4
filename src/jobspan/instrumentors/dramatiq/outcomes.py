"""How a run ended, from what Dramatiq reports at its end: an exception, a skip, a message marked as failed."""

from __future__ import annotations

import sys
from typing import Any

from dramatiq.errors import Retry
from dramatiq.middleware import Interrupt, Shutdown, SkipMessage, TimeLimitExceeded

from jobspan import conventions as c
from jobspan.events import RunFinished
from jobspan.instrumentors.dramatiq.open_runs import Run
from jobspan.jobs import Outcome

# Who raised SkipMessage: the module of the middleware → what it means.
_SKIPPED_BY = {
    "dramatiq.middleware.age_limit": Outcome.EXPIRED,
    "periodiq": Outcome.EXPIRED,
    "dramatiq_abort": Outcome.REVOKED,
}


def processed(run: Run, message: Any, error: BaseException | None, max_attempts: int | None, at_ns: int) -> RunFinished:
    """Return the end of a run whose message was processed, or raised; Retries has decided by now."""
    if error is None:
        if message.failed:
            return _rejected(run, None, at_ns, has_run=True)
        return RunFinished(run, Outcome.SUCCEEDED, final=True, at_ns=at_ns)
    is_back = run.is_back and not message.failed
    is_retry = isinstance(error, Retry)
    cause: BaseException | None = error
    if is_retry:
        # Retry is how a job requests another run: no error of its own, but for what it was raised from.
        cause = error.__cause__ or error.__context__ or (None if is_back else error)
    return RunFinished(
        key=run,
        outcome=outcome_of(error, is_retried=is_back),
        final=not is_back,
        at_ns=at_ns,
        error=cause,
        retry_reason=(str(error) or None) if is_retry else None,
        retry_delay_s=run.delay_s if is_back else None,
        dead_lettered=True if message.failed else None,
        max_attempts=max_attempts if is_back else None,
    )


def skipped(run: Run, message: Any, at_ns: int) -> RunFinished:
    """Return the end of a run that a before-hook prevented: too old, aborted, or skipped by another middleware."""
    error = sys.exc_info()[1]
    outcome = _skipped_by(error)
    if outcome is None and message.failed:
        return _rejected(run, error, at_ns, has_run=False)
    return RunFinished(
        run,
        outcome or Outcome.IGNORED,
        final=True,
        at_ns=at_ns,
        dead_lettered=True if message.failed else None,
        has_run=False,
    )


def outcome_of(error: BaseException, *, is_retried: bool) -> Outcome:
    """Return how a run ended that raised ``error``, and whose message was or was not put back."""
    interrupt = _interrupt(error)
    if isinstance(interrupt, TimeLimitExceeded):
        return Outcome.TIMED_OUT
    if isinstance(interrupt, Shutdown):
        return Outcome.INTERRUPTED
    if interrupt is not None and type(interrupt).__module__.partition(".")[0] == "dramatiq_abort":
        return Outcome.REVOKED
    return Outcome.RETRIED if is_retried else Outcome.FAILED


def _interrupt(error: BaseException) -> BaseException | None:
    """Return the interrupt that ended a run, also when an async actor did not end in time for it."""
    if type(error) is RuntimeError and isinstance(error.__cause__, Interrupt):
        return error.__cause__
    return error if isinstance(error, Interrupt) else None


def _rejected(run: Run, error: BaseException | None, at_ns: int, *, has_run: bool) -> RunFinished:
    kind = type(error)
    return RunFinished(
        run,
        Outcome.REJECTED,
        final=True,
        at_ns=at_ns,
        error=error,
        dead_lettered=True,
        error_type=c.ERROR_OTHER if error is None else f"{kind.__module__}.{kind.__qualname__}",
        has_run=has_run,
    )


def _skipped_by(error: BaseException | None) -> Outcome | None:
    """Return what a skip means by who raised it; the traceback's frames are the middleware's, outermost first."""
    stack = error.__traceback__ if isinstance(error, SkipMessage) else None
    while stack is not None:
        module = str(stack.tb_frame.f_globals.get("__name__", ""))
        found = _SKIPPED_BY.get(module) or _SKIPPED_BY.get(module.partition(".")[0])
        if found is not None:
            return found
        stack = stack.tb_next
    return None
