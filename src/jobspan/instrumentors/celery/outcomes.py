"""How a Celery run ended: from the state, the return value and the exception that ``task_postrun`` comes with."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from celery import states
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded, WorkerShutdown, WorkerTerminate

from jobspan.events import RunFinished
from jobspan.instrumentors.celery.mapping import max_attempts, unix_ns
from jobspan.jobs import Outcome

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Task

# How Task.replace leaves; the replacement is a new run of the same job.
_REPLACED = "Replaced by new task"


def how_it_ended(
    key: Hashable, task: Task, state: str | None, retval: Any, leaving: BaseException | None, at_ns: int
) -> RunFinished:
    """Return how a run ended.

    Args:
        state: Celery's; None when an exception passed it by.
        retval: the result, or the exception that made the state.
        leaving: the exception that is leaving Celery's own code at this moment; it wins over the state, which may
            have been set before the result backend or a handler of the task's raised.
    """
    if leaving is not None:
        return _raised(key, task, leaving, at_ns)
    if state == states.SUCCESS:
        return RunFinished(key, Outcome.SUCCEEDED, final=True, at_ns=at_ns)
    if state == states.RETRY and isinstance(retval, Retry) and retval.sig is not None:
        return _retried(key, task, retval, retval.exc or retval.__context__, at_ns)
    return _raised(key, task, retval, at_ns)


def _raised(key: Hashable, task: Task, error: BaseException, at_ns: int) -> RunFinished:
    if isinstance(error, Reject):
        return _rejected(key, error, at_ns)
    if isinstance(error, Ignore):
        return RunFinished(key, Outcome.IGNORED, final=_REPLACED not in error.args, at_ns=at_ns)
    retry = _retry_behind(error, task)
    if retry is not None:
        return _retried(key, task, retry, error, at_ns)
    return _failed(key, task, error, at_ns)


def _retried(key: Hashable, task: Task, retry: Retry, cause: Any, at_ns: int) -> RunFinished:
    return RunFinished(
        key,
        Outcome.TIMED_OUT if isinstance(cause, SoftTimeLimitExceeded) else Outcome.RETRIED,
        final=False,
        at_ns=at_ns,
        error=cause if isinstance(cause, BaseException) else None,
        retry_reason=retry.message,
        retry_delay_s=_delay_s(retry.when, at_ns),
        max_attempts=max_attempts(task),
    )


def _rejected(key: Hashable, reject: Reject, at_ns: int) -> RunFinished:
    return RunFinished(
        key,
        Outcome.REJECTED,
        final=not reject.requeue,
        at_ns=at_ns,
        error=reject.reason if isinstance(reject.reason, BaseException) else None,
        is_asked_for=not _is_celerys_own(reject),
    )


def _failed(key: Hashable, task: Task, error: BaseException, at_ns: int) -> RunFinished:
    outcome = _outcome_of(error, task)
    has_error = outcome in {Outcome.FAILED, Outcome.FAILED_EXPECTED, Outcome.TIMED_OUT}
    return RunFinished(
        key,
        outcome,
        final=not (isinstance(error, (SystemExit, KeyboardInterrupt)) and _leaves_it_to_another(task)),
        at_ns=at_ns,
        error=_cause_of(error) if has_error else None,
        max_attempts=max_attempts(task) if task.request.retries else None,
    )


def _outcome_of(error: BaseException, task: Task) -> Outcome:
    if isinstance(error, SoftTimeLimitExceeded) or _is_gevents(error, "Timeout"):
        return Outcome.TIMED_OUT
    if _is_gevents(error, "GreenletExit"):
        # Only a revoke that terminates kills a greenlet.
        return Outcome.REVOKED
    if isinstance(error, (WorkerShutdown, WorkerTerminate)):
        return Outcome.INTERRUPTED
    if isinstance(error, SystemExit) and not error.code:
        # Exit code 0 says that the job is done, though the worker process is lost to Celery.
        return Outcome.SUCCEEDED
    if task.throws and isinstance(error, task.throws):
        return Outcome.FAILED_EXPECTED
    return Outcome.FAILED


def _cause_of(error: BaseException) -> BaseException:
    # A Retry that nothing follows: raised by hand, or propagated to the caller of an eager run.
    if isinstance(error, Retry) and isinstance(error.exc, BaseException):
        return error.exc
    return error


def _retry_behind(error: BaseException, task: Task) -> Retry | None:
    """Return the retry that this exception covers up: ``Task.retry`` had published it before it raised."""
    for hidden in _contexts(error):
        sig = hidden.sig if isinstance(hidden, Retry) and not hidden.is_eager else None
        if sig is not None and sig.options.get("task_id") == task.request.id:
            return hidden
    return None


def _contexts(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    found = error.__context__
    while found is not None and id(found) not in seen:
        yield found
        seen.add(id(found))
        found = found.__context__


def _is_celerys_own(reject: Reject) -> bool:
    """Say whether ``Task.retry`` raised it, because the retry could not be published."""
    stack, inner = reject.__traceback__, None
    while stack is not None:
        stack, inner = stack.tb_next, stack
    return inner is not None and inner.tb_frame.f_globals.get("__name__") == "celery.app.task"


def _leaves_it_to_another(task: Task) -> bool:
    return not task.request.is_eager and runs_again_when_lost(task, task.request.retries)


def runs_again_when_lost(task: Task, retries: int) -> bool:
    """Say whether Celery runs a task once more whose worker process left in the midst of it."""
    limit, is_retried = task.max_retries, bool(getattr(task, "retry_on_worker_lost", False))
    is_exhausted = is_retried and limit is not None and retries >= limit
    return not is_exhausted and (is_retried or bool(task.acks_late and task.reject_on_worker_lost))


def _is_gevents(error: BaseException, name: str) -> bool:
    kind = type(error)
    return kind.__name__ == name and kind.__module__.partition(".")[0] in {"gevent", "greenlet", "eventlet"}


def _delay_s(when: Any, at_ns: int) -> float | None:
    if isinstance(when, (int, float)):
        return float(when)
    if isinstance(when, datetime):
        moment = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        return max(0.0, ((unix_ns(moment) or at_ns) - at_ns) / 1e9)
    return None
