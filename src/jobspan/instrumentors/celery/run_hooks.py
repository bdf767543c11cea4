"""Celery's signals → run events, and the flush before a child leaves."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from billiard import common as billiard_common
from celery import signals
from celery.exceptions import InvalidTaskError

from jobspan import conventions as c
from jobspan.events import CpuScope, JobDropped, JobSink, RunAbandoned, RunByPattern, RunStarted, RunWithoutSpan
from jobspan.instrumentors.celery.children import memory_limit_bytes
from jobspan.instrumentors.celery.keys import key_of_run
from jobspan.instrumentors.celery.mapping import (
    EAGER_BROKER,
    RECEIVED,
    arguments_of,
    broker_of,
    carrier_of,
    function_name,
    job_from_request,
    options_of,
)
from jobspan.instrumentors.celery.outcomes import how_it_ended
from jobspan.instrumentors.celery.publish_hooks import PublishHooks
from jobspan.instrumentors.celery.workarounds.green_pools import cpu_scope
from jobspan.instrumentors.guard import guarded, swallow
from jobspan.instrumentors.job_patterns import Patterns
from jobspan.jobs import Outcome
from jobspan.patterns import JobByPattern
from jobspan.recording.sdk.flush import flush_and_leave

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Task
    from celery.app.task import Context

_has_been_terminated: list[bool] = billiard_common._should_have_exited  # noqa: SLF001 - set by its signal handler
_RUN = "jobspan_run"
_UNSAMPLED = "jobspan_unsampled"


class _Run:
    """One run, the key of its events, and what was so before it, which says nothing about it.

    An eager run may stand in a caller's except block.
    """

    __slots__ = ("outer", "was_terminated")

    def __init__(self, was_terminated: bool, outer: BaseException | None) -> None:
        self.was_terminated, self.outer = was_terminated, outer


class RunHooks:
    """Tells the sink of every run in this worker process."""

    def __init__(self, sink: JobSink) -> None:
        self._sink = sink
        self._patterns = Patterns()
        self._cpu: CpuScope | None = None
        self._memory_limit_bytes: int | None = None

    @guarded
    def process_began(self, **_: Any) -> None:
        """Take ``worker_process_init``: this process runs one task at a time."""
        self._patterns.forget()
        self._cpu = CpuScope.PROCESS
        self._memory_limit_bytes = memory_limit_bytes()

    @guarded
    def process_ends(self, **_: Any) -> None:
        """Take ``worker_process_shutdown``: the child leaves by ``os._exit``, so what it holds goes out now."""
        flush_and_leave()

    def before_run(self, task: Task, args: Any = (), kwargs: Any = None, **_: Any) -> None:
        """Take ``task_prerun``."""
        try:
            self._begin(task, args, kwargs)
            return
        except Exception as error:  # noqa: BLE001 - it is counted, or raised again below
            if swallow(self.before_run, error):
                return
            interrupt = error
        self._begin_again(task, args, kwargs)
        raise interrupt

    def after_run(self, task: Task, state: str | None = None, retval: Any = None, **_: Any) -> None:
        """Take ``task_postrun``: ``retval`` is the result, or the exception that made the state."""
        try:
            self._end(task, state, retval)
            return
        except Exception as error:  # noqa: BLE001 - it is counted, or raised again below
            if swallow(self.after_run, error):
                return
            interrupt = error
        self._end_again(task, state, retval)
        raise interrupt

    def _begin(self, task: Task, args: Any, kwargs: Any) -> None:
        request: Context = task.request
        received, carrier = vars(request).get(RECEIVED), carrier_of(request)
        at_ns, options, eager = time.time_ns(), options_of(task), bool(request.is_eager)
        passing = self._sink.start_unsampled(carrier, job_from_request, options, at_ns, task, request, eager=eager)
        if passing is not None:
            setattr(request, _UNSAMPLED, passing)
            passing.begin()
            _take_off(request)
            return
        run = vars(request).get(_RUN)
        if run is None:
            run = _Run(_has_been_terminated[0], sys.exc_info()[1])
            setattr(request, _RUN, run)
        received = received if isinstance(received, int) else None
        arguments = partial(arguments_of, args, kwargs, vars(request), task)
        key = key_of_run(task, request, options)
        pattern = self._patterns.find(key)
        if pattern is not None:
            named = JobByPattern(pattern, request.id, request.root_id, request.parent_id)
            self._sink(RunByPattern(run, named, carrier, at_ns, received, arguments))
        else:
            if self._cpu is None:
                self._cpu = cpu_scope()
            event = RunStarted(
                key=run,
                job=job_from_request(task, request),
                broker=EAGER_BROKER if eager else broker_of(task.app),
                carrier=carrier,
                worker=request.hostname or "",
                at_ns=at_ns,
                function=function_name(task),
                received_ns=received,
                cpu=self._cpu,
                eager=eager,
                options=options,
                arguments=arguments,
                is_safe=bool(task.acks_late),
                memory_limit_bytes=self._memory_limit_bytes,
            )
            self._sink(event)
            self._patterns.learn(key, event)
        _take_off(request)

    def _end(self, task: Task, state: str | None, retval: Any) -> None:
        at_ns = time.time_ns()
        request: Context = task.request
        passing: RunWithoutSpan | None = vars(request).get(_UNSAMPLED)
        if passing is not None:
            passing.end()
            delattr(request, _UNSAMPLED)
            return
        run = vars(request).get(_RUN)
        if run is None:
            return  # it began before we did
        leaving = sys.exc_info()[1]
        ended = how_it_ended(run, task, state, retval, leaving if leaving is not run.outer else None, at_ns)
        if _has_been_terminated[0] and not run.was_terminated:
            # Whoever sent the signal (hard limit, revoke, shutdown) knows how this run ended, unless that was nobody
            # of Celery's, and the job went on and came to a state of its own.
            self._sink(RunAbandoned(run, ended if state is not None else None))
        else:
            self._sink(ended)

    # A soft time limit may land in the midst of either, as it does in Dramatiq's, see ``redo_on_interrupt``.

    @guarded
    def _begin_again(self, task: Task, args: Any, kwargs: Any) -> None:
        if _UNSAMPLED not in vars(task.request):
            self._begin(task, args, kwargs)
        else:
            _take_off(task.request)

    @guarded
    def _end_again(self, task: Task, state: str | None, retval: Any) -> None:
        self._end(task, state, retval)

    @guarded
    def internal_error(self, sender: Any = None, request: Any = None, exception: Any = None, **_: Any) -> None:
        """Take ``task_internal_error``: arguments that are none stop a task before ``task_prerun``."""
        if not isinstance(exception, InvalidTaskError):
            return
        from celery.app.task import Context

        context = Context(request)
        self._sink(
            JobDropped(
                job=job_from_request(sender, context),
                broker=broker_of(sender.app),
                carrier=vars(context),
                worker=context.hostname or "",
                outcome=Outcome.UNROUTABLE,
                final=True,
                at_ns=time.time_ns(),
                error=exception,
                error_type=c.ERROR_UNDECODABLE,
                options=options_of(sender),
                is_known=True,
            )
        )


class OpenRunEnds:
    """Tells the sink how the open runs end; of one that it did not begin, an end tells nothing."""

    def __init__(self, sink: JobSink) -> None:
        self._runs = RunHooks(sink)
        self._uid = f"jobspan-last-ends-{id(self)}"

    def hear(self) -> None:
        """Hear of ends, from before the other hooks are disconnected, so that none is missed."""
        signals.task_postrun.connect(self._after_run, weak=False, dispatch_uid=self._uid)

    def stop_when_drained(self) -> None:
        """Hear no more, once no run is open."""
        from jobspan.probes.run_cost import are_open

        if not are_open():
            signals.task_postrun.disconnect(dispatch_uid=self._uid)

    def _after_run(self, **kwargs: Any) -> None:
        self._runs.after_run(**kwargs)
        self.stop_when_drained()


def _take_off(request: Context) -> None:
    """Take our stamp off a request before the job sees it."""
    if isinstance(request.headers, dict):
        request.headers.pop(RECEIVED, None)
    vars(request).pop(RECEIVED, None)


def connect(sink: JobSink, publishing: PublishHooks) -> Callable[[], None]:
    """Connect all hooks; the answer disconnects them."""
    runs = RunHooks(sink)
    hooks = (
        (signals.before_task_publish, publishing.before_publish),
        (signals.task_prerun, runs.before_run),
        (signals.task_postrun, runs.after_run),
        (signals.task_internal_error, runs.internal_error),
        (signals.worker_process_init, runs.process_began),
        (signals.worker_process_shutdown, runs.process_ends),
    )
    for signal, hook in hooks:
        signal.connect(hook, weak=False, dispatch_uid=f"jobspan-{signal.name}")

    def disconnect() -> None:
        for signal, _ in hooks:
            signal.disconnect(dispatch_uid=f"jobspan-{signal.name}")

    return disconnect
