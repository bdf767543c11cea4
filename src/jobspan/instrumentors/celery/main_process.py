"""What only the main process of a worker knows → events: jobs that never ran, hard limits, revoked runs.

A child that unwinds from a signal of the main process does not report its run (see ``run_hooks``), so each of these is
reported here, once. In pools without children (threads, solo, gevent) the run itself reports its end.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from celery import signals
from celery.exceptions import NotRegistered, TimeLimitExceeded

from jobspan import conventions as c
from jobspan.events import RunLost, Sink
from jobspan.instrumentors.celery.mapping import (
    RECEIVED,
    broker_of,
    function_name,
    job_from_message,
    job_from_request,
    options_of,
    task_of,
)
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported
from jobspan.jobs import Job, Outcome

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery.worker.request import Request

_NOT_DEADLY = frozenset({signal.SIGINT, getattr(signal, "SIGUSR1", None)})
"""Of these a child ignores the first and takes the second for a soft time limit: it goes on and reports its run."""


def install(sink: Sink, patches: Patches) -> None:
    """Connect the hooks of the main process; its modules are wrapped when a worker imports them."""
    main = MainProcess(sink)
    patches.connect(signals.task_received, main.received)
    patches.connect(signals.task_unknown, main.unknown)
    patches.connect(signals.task_rejected, main.rejected)

    def requests(module: Any) -> None:
        patches.wrap(module.Request, "terminate", main.terminate)
        patches.wrap(module.Request, "cancel", main.cancel)
        patches.wrap(module.Request, "_announce_revoked", main.announce_revoked)
        patches.wrap(module.Request, "_announce_cancelled", main.announce_cancelled)
        patches.wrap(module.Request, "on_timeout", main.on_timeout)
        patches.wrap(module.Request, "reject", main.reject)

    def consumer(module: Any) -> None:
        patches.wrap(module.Consumer, "on_decode_error", main.on_decode_error)

    _patch("celery.worker.request", requests, patches)
    _patch("celery.worker.consumer.consumer", consumer, patches)


class MainProcess:
    """Reports to the sink what the main process of a worker alone knows."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._has_children = False

    @guarded
    def received(self, sender: Any = None, request: Any = None, **_: Any) -> None:
        """Take ``task_received``: the stamp travels to the child with the request."""
        request.request_dict[RECEIVED] = time.time_ns()
        # Prefork is the only pool with a semaphore.
        self._has_children = getattr(getattr(sender, "pool", None), "uses_semaphore", False)

    @guarded
    def unknown(self, sender: Any = None, message: Any = None, name: str | None = None, **_: Any) -> None:
        """Take ``task_unknown``."""
        self._unroutable(sender, message, c.ERROR_UNKNOWN_JOB, NotRegistered(name), name)

    @guarded
    def rejected(self, sender: Any = None, message: Any = None, exc: Any = None, **_: Any) -> None:
        """Take ``task_rejected``: no task message, or one with unreadable fields."""
        self._unroutable(sender, message, c.ERROR_UNDECODABLE, exc)

    def on_decode_error(
        self, wrapped: Callable[..., Any], consumer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``Consumer.on_decode_error``, which no signal announces."""
        self._undecodable(consumer, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def terminate(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``Request.terminate``, which announces it only after the signal is sent."""
        self._terminated(request, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def cancel(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``Request.cancel``, which announces it only after the signal is sent."""
        self._cut_off(request, Outcome.INTERRUPTED, final=request.acknowledged, at_ns=time.time_ns())
        return wrapped(*args, **kwargs)

    def announce_revoked(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``Request._announce_revoked``."""
        self._revoked(request, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def announce_cancelled(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``Request._announce_cancelled``: the worker shuts down or lost its broker."""
        # A message acknowledged early is gone; any other is delivered again.
        self._cut_off(request, Outcome.INTERRUPTED, final=request.acknowledged, at_ns=time.time_ns())
        return wrapped(*args, **kwargs)

    def reject(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``Request.reject`` and remember whether the message goes back."""
        self._noted(request, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def on_timeout(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``Request.on_timeout``, which comes after ``on_failure`` of the same hard limit."""
        at_ns = time.time_ns()
        try:
            return wrapped(*args, **kwargs)
        finally:
            self._timed_out(request, at_ns, *args, **kwargs)

    @guarded
    def _revoked(self, request: Request, reason: str, terminated: bool, signum: Any, expired: bool) -> None:
        if not terminated:
            self._never_ran(request, Outcome.EXPIRED if expired else Outcome.REVOKED)
        elif signum not in _NOT_DEADLY:
            self._cut_off(request, Outcome.REVOKED, final=True, at_ns=time.time_ns())

    @guarded
    def _terminated(self, request: Request, pool: Any, signal: Any = None) -> None:
        from billiard.common import TERM_SIGNAME
        from celery.platforms import signals as numbers

        if numbers.signum(signal or TERM_SIGNAME) not in _NOT_DEADLY:
            self._cut_off(request, Outcome.REVOKED, final=True, at_ns=time.time_ns())

    @guarded
    def _noted(self, request: Request, requeue: bool = False) -> None:
        if not request.acknowledged:
            request.jobspan_is_requeued = requeue

    @guarded
    def _timed_out(self, request: Request, at_ns: int, soft: bool, timeout: Any) -> None:
        if not soft:
            final = not getattr(request, "jobspan_is_requeued", False)
            self._cut_off(request, Outcome.TIMED_OUT, final=final, at_ns=at_ns, error=TimeLimitExceeded(timeout))

    @guarded
    def _undecodable(self, consumer: Any, message: Any, exc: BaseException) -> None:
        self._unroutable(consumer, message, c.ERROR_UNDECODABLE, exc)

    @guarded
    def _cut_off(
        self, request: Request, outcome: Outcome, *, final: bool, at_ns: int, error: BaseException | None = None
    ) -> None:
        if not self._has_children or not request.time_start or not _first_report(request):
            return
        context = request._context  # noqa: SLF001 - what Celery gives to its own signals
        self._sink(
            RunLost(
                job=job_from_request(request.task, context),
                broker=broker_of(request.app),
                carrier=vars(context),
                worker=request.hostname,
                outcome=outcome,
                final=final,
                started_ns=int(request.time_start * 1e9),
                at_ns=at_ns,
                pid=request.worker_pid,
                received_ns=getattr(context, RECEIVED, None),
                function=function_name(request.task),
                error=error,
                options=options_of(request.task),
            )
        )

    def _never_ran(self, request: Request, outcome: Outcome) -> None:
        if not _first_report(request):
            return
        context = request._context  # noqa: SLF001 - what Celery gives to its own signals
        job, options = job_from_request(request.task, context), options_of(request.task)
        self._drop(request, job, vars(context), outcome=outcome, options=options, is_known=True)

    def _unroutable(
        self, consumer: Any, message: Any, error_type: str, error: BaseException | None, name: str | None = None
    ) -> None:
        job = job_from_message(message, name)
        task = task_of(consumer.app, job.name)
        carrier = message.headers if isinstance(message.headers, Mapping) else {}
        options, is_known = options_of(task), task is not None
        self._drop(consumer, job, carrier, error=error, error_type=error_type, options=options, is_known=is_known)

    def _drop(self, taker: Any, job: Job, carrier: Mapping[str, Any], **facts: Any) -> None:
        # Programs that only publish start without it: tests/library/cost/test_start_up.py counts their modules.
        from jobspan.instrumentors.task_library.dropped_job import dropped_job

        self._sink(dropped_job(job, broker_of(taker.app), carrier, taker.hostname, **facts))


def _patch(name: str, patch: Callable[[ModuleType], None], patches: Patches) -> None:
    """Patch a module when it is imported; one that is half imported already, when a worker begins."""
    if when_imported(name, patch, patches):
        return
    uid = f"jobspan-{name}"

    def worker_begins(**_: Any) -> None:
        signals.celeryd_init.disconnect(dispatch_uid=uid)
        patch(sys.modules[name])

    signals.celeryd_init.connect(worker_begins, weak=False, dispatch_uid=uid)
    patches.on_undo(partial(signals.celeryd_init.disconnect, dispatch_uid=uid))


def _first_report(request: Request) -> bool:
    """Say whether this is the first report of a request: Celery announces some ends twice."""
    is_first = not getattr(request, "jobspan_is_reported", False)
    request.jobspan_is_reported = True
    return is_first
