"""What only the main process of a worker knows → told runs: jobs that never ran, and runs cut off by a signal.

A child that unwinds from a signal of the main process keeps silent (see ``signals``), so each of these is told here,
once. In pools without children (threads, solo, gevent) the run itself tells its end.
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
from jobspan.events import JobDropped, RunLost, Sink
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
from jobspan.jobs import Outcome

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery.worker.request import Request

_NOT_DEADLY = frozenset({signal.SIGINT, getattr(signal, "SIGUSR1", None)})
"""Of these a child ignores the first and takes the second for a soft time limit: it goes on to tell its run."""


class MainProcess:
    """Tells the sink what the main process of a worker alone knows."""

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
        """Take ``task_rejected``: no task message, or one that says nonsense."""
        self._unroutable(sender, message, c.ERROR_UNDECODABLE, exc)

    def on_decode_error(
        self, wrapped: Callable[..., Any], consumer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Stand around ``Consumer.on_decode_error``, which no signal tells of."""
        self._undecodable(consumer, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def terminate(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Stand around ``Request.terminate``, which announces it only after the signal is sent."""
        self._terminated(request, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def cancel(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Stand around ``Request.cancel``, which announces it only after the signal is sent."""
        self._cut_off(request, Outcome.INTERRUPTED, final=request.acknowledged, at_ns=time.time_ns())
        return wrapped(*args, **kwargs)

    def announce_revoked(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Stand around ``Request._announce_revoked``."""
        self._revoked(request, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def announce_cancelled(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Stand around ``Request._announce_cancelled``: the worker shuts down or lost its broker."""
        # A message acknowledged early is gone; any other is delivered again.
        self._cut_off(request, Outcome.INTERRUPTED, final=request.acknowledged, at_ns=time.time_ns())
        return wrapped(*args, **kwargs)

    def reject(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Stand around ``Request.reject`` and remember whether the message goes back."""
        self._noted(request, *args, **kwargs)
        return wrapped(*args, **kwargs)

    def on_timeout(
        self, wrapped: Callable[..., Any], request: Request, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Stand around ``Request.on_timeout``, which comes after ``on_failure`` of the same hard limit."""
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
        if not self._has_children or not request.time_start or not _first_reported(request):
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
        if not _first_reported(request):
            return
        context = request._context  # noqa: SLF001 - what Celery gives to its own signals
        self._sink(
            JobDropped(
                job=job_from_request(request.task, context),
                broker=broker_of(request.app),
                carrier=vars(context),
                worker=request.hostname,
                outcome=outcome,
                final=True,
                at_ns=time.time_ns(),
                options=options_of(request.task),
                is_known=True,
            )
        )

    def _unroutable(
        self, consumer: Any, message: Any, error_type: str, error: BaseException | None, name: str | None = None
    ) -> None:
        job = job_from_message(message, name)
        task = task_of(consumer.app, job.name)
        self._sink(
            JobDropped(
                job=job,
                broker=broker_of(consumer.app),
                carrier=message.headers if isinstance(message.headers, Mapping) else {},
                worker=consumer.hostname,
                outcome=Outcome.UNROUTABLE,
                final=True,
                at_ns=time.time_ns(),
                error=error,
                error_type=error_type,
                options=options_of(task),
                is_known=task is not None,
            )
        )


def watch(main: MainProcess, patches: Patches) -> None:
    """Connect the hooks of the main process; its modules are patched when a worker imports them."""
    for heard, hook in (
        (signals.task_received, main.received),
        (signals.task_unknown, main.unknown),
        (signals.task_rejected, main.rejected),
    ):
        heard.connect(hook, weak=False, dispatch_uid=f"jobspan-{heard.name}")
        patches.on_undo(partial(heard.disconnect, dispatch_uid=f"jobspan-{heard.name}"))

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


def _first_reported(request: Request) -> bool:
    """Say so once for each request: Celery tells of some ends twice."""
    is_first = not getattr(request, "jobspan_is_told", False)
    request.jobspan_is_told = True
    return is_first
