"""Celery's signals → run events, and the flush before a child leaves."""

from __future__ import annotations

import sys
import time
from collections.abc import Hashable
from functools import partial
from typing import TYPE_CHECKING, Any

from billiard import common as billiard_common
from celery import signals
from celery.exceptions import InvalidTaskError

from jobspan import conventions as c
from jobspan.events import CpuScope, JobSink, RunAbandoned, RunByPattern, RunStarted, RunWithoutSpan
from jobspan.instrumentors.celery.children import memory_limit_bytes
from jobspan.instrumentors.celery.mapping import (
    EAGER_BROKER,
    RECEIVED,
    WITHOUT_LIMITS,
    arguments_of,
    broker_of,
    carrier_of,
    function_name,
    job_from_request,
    max_attempts,
    options_of,
)
from jobspan.instrumentors.celery.outcomes import how_it_ended
from jobspan.instrumentors.celery.workarounds.green_pools import cpu_scope
from jobspan.instrumentors.guard import guarded, redo_on_interrupt
from jobspan.instrumentors.job_patterns import Patterns, of_values
from jobspan.instrumentors.patches import Patches
from jobspan.job_options import NOTHING, JobOptions
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
    """One run under way, the key of its events, and what was so before it, which says nothing about its end.

    It is kept on the task's request, which is there for this run alone: ``task_library.run_tracker`` would take an
    unsampled run 56 bytecodes more than these two attributes. An eager run may be inside an except block.
    """

    __slots__ = ("error_outside", "was_terminated")

    def __init__(self) -> None:
        self.was_terminated = _has_been_terminated[0]
        self.error_outside = sys.exc_info()[1]


def install(sink: JobSink, patches: Patches) -> None:
    """Connect the hooks of runs; the ends of runs that are open when they are disconnected are still recorded."""
    runs, open_run_ends = RunHooks(sink), OpenRunEnds(sink)
    # The patches are undone in reverse: ends are taken from before the other hooks are disconnected, so none is missed.
    patches.on_undo(open_run_ends.stop_when_drained)
    for signal, hook in (
        (signals.task_prerun, runs.before_run),
        (signals.task_postrun, runs.after_run),
        (signals.task_internal_error, runs.internal_error),
        (signals.worker_process_init, runs.process_began),
        (signals.worker_process_shutdown, runs.process_ends),
    ):
        patches.connect(signal, hook)
    patches.on_undo(open_run_ends.start)


class RunHooks:
    """Reports every run in this worker process to the sink."""

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

    @redo_on_interrupt
    def before_run(self, task: Task, args: Any = (), kwargs: Any = None, **_: Any) -> None:
        """Take ``task_prerun``."""
        request: Context = task.request
        if _UNSAMPLED in vars(request):
            # It has begun, and an interrupt landed after that.
            _remove_stamp(request)
            return
        received, carrier = vars(request).get(RECEIVED), carrier_of(request)
        at_ns, options, eager = time.time_ns(), options_of(task), bool(request.is_eager)
        unsampled = self._sink.start_unsampled(carrier, job_from_request, options, at_ns, task, request, eager=eager)
        if unsampled is not None:
            # Remembered before it begins: an interrupt may land in between.
            setattr(request, _UNSAMPLED, unsampled)
            unsampled.begin()
            _remove_stamp(request)
            return
        run = vars(request).get(_RUN)
        if run is None:
            run = _Run()
            setattr(request, _RUN, run)
        received = received if isinstance(received, int) else None
        arguments = partial(arguments_of, args, kwargs, vars(request), task)
        key = _key_of(task, request, options)
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
        _remove_stamp(request)

    @redo_on_interrupt
    def after_run(self, task: Task, state: str | None = None, retval: Any = None, **_: Any) -> None:
        """Take ``task_postrun``: ``retval`` is the result, or the exception that made the state."""
        at_ns = time.time_ns()
        request: Context = task.request
        unsampled: RunWithoutSpan | None = vars(request).get(_UNSAMPLED)
        if unsampled is not None:
            unsampled.end()
            delattr(request, _UNSAMPLED)
            return
        run = vars(request).get(_RUN)
        if run is None:
            return  # it began before the hooks were there
        leaving = sys.exc_info()[1]
        ended = how_it_ended(run, task, state, retval, leaving if leaving is not run.error_outside else None, at_ns)
        if _has_been_terminated[0] and not run.was_terminated:
            # Whoever sent the signal (hard limit, revoke, shutdown) knows how this run ended, unless it was not
            # Celery that sent it, and the job went on to a state of its own.
            self._sink(RunAbandoned(run, ended if state is not None else None))
        else:
            self._sink(ended)

    @guarded
    def internal_error(self, sender: Any = None, request: Any = None, exception: Any = None, **_: Any) -> None:
        """Take ``task_internal_error``: arguments that are none stop a task before ``task_prerun``."""
        if not isinstance(exception, InvalidTaskError):
            return
        from celery.app.task import Context

        from jobspan.instrumentors.task_library.dropped_job import dropped_job

        context = Context(request)
        self._sink(
            dropped_job(
                job_from_request(sender, context),
                broker_of(sender.app),
                vars(context),
                context.hostname or "",
                error=exception,
                error_type=c.ERROR_UNDECODABLE,
                options=options_of(sender),
                is_known=True,
            )
        )


class OpenRunEnds:
    """Reports how the open runs end; the end of a run that it did not begin is ignored."""

    def __init__(self, sink: JobSink) -> None:
        self._runs = RunHooks(sink)
        self._uid = f"jobspan-open-run-ends-{id(self)}"

    def start(self) -> None:
        """Take the ends of runs from now on."""
        signals.task_postrun.connect(self._after_run, weak=False, dispatch_uid=self._uid)

    def stop_when_drained(self) -> None:
        """Take no more, once no run is open."""
        from jobspan.probes.run_cost import are_open

        if not are_open():
            signals.task_postrun.disconnect(dispatch_uid=self._uid)

    def _after_run(self, **kwargs: Any) -> None:
        self._runs.after_run(**kwargs)
        self.stop_when_drained()


def _remove_stamp(request: Context) -> None:
    """Take the time of receipt off a request before the job sees it."""
    if isinstance(request.headers, dict):
        request.headers.pop(RECEIVED, None)
    vars(request).pop(RECEIVED, None)


def _key_of(task: Task, request: Context, options: JobOptions) -> Hashable:
    """Return what decides all that is recorded of a run at its start but ids and times; None: there is more to it."""
    if request.retries or request.eta is not None or request.expires is not None or request.group is not None:
        return None
    route = request.delivery_info or {}
    routing_key = route.get("routing_key")
    if not routing_key or route.get("priority") or route.get("redelivered") or request.is_eager:
        return None
    if request.timelimit not in WITHOUT_LIMITS or options is not NOTHING:
        return None
    limits = task.soft_time_limit, task.time_limit, max_attempts(task) if getattr(task, "autoretry_for", None) else None
    late = "late" if task.acks_late else None
    broker, function = broker_of(task.app), function_name(task)
    return of_values(task.name, function, broker, routing_key, request.hostname, late, *limits)
