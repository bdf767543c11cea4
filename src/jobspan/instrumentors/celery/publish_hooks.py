"""The call that puts a task on a queue → publish events.

``Celery.send_task`` gives the true duration and every error. What the message really says (id, route, ETA) is known
only inside it, at ``before_task_publish``: there the publish is told, with the time at which the call began.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from jobspan.events import Arguments, JobSink, PublishByPattern, PublishFinished, PublishStarted
from jobspan.instrumentors.celery.keys import key_of_publish
from jobspan.instrumentors.celery.mapping import (
    CHORD_UNLOCK,
    arguments_of,
    broker_of,
    broker_of_publish,
    declared_queue,
    job_from_call,
    job_from_headers,
    options_of,
    passes_simply,
    task_of,
)
from jobspan.instrumentors.guard import hide_this_frame, redo_on_interrupt, swallow
from jobspan.instrumentors.job_patterns import Patterns
from jobspan.instrumentors.schedules import Schedule, current_schedule
from jobspan.jobs import Broker, Job
from jobspan.patterns import JobByPattern
from jobspan.recording.context.otel_context import around, go_back_to

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Celery

_RECEIVED_HEADER = "jobspan-received"
_NOTHING: dict[str, Any] = {}


class _Call:
    """One ``send_task`` under way."""

    __slots__ = ("app", "around", "began_ns", "interrupt", "is_over", "is_told", "is_unsampled", "options", "schedule")

    def __init__(self, app: Celery, options: dict[str, Any], schedule: Schedule | None) -> None:
        self.app = app
        self.options = options
        self.around = around()
        self.schedule = schedule
        self.began_ns = time.time_ns()
        self.is_told = self.is_unsampled = False
        self.is_over = False
        self.interrupt: Exception | None = None

    @property
    def broker(self) -> Broker:
        said = self.options
        return broker_of_publish(self.app, said.get("connection"), said.get("producer") or said.get("publisher"))


_current: ContextVar[_Call | None] = ContextVar("jobspan_celery_publish", default=None)


class PublishHooks:
    """Tells the sink of every publish that goes through a Celery app."""

    def __init__(self, sink: JobSink) -> None:
        self._sink = sink
        self._patterns = Patterns()

    def send_task(self, wrapped: Callable[..., Any], app: Celery, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``Celery.send_task`` and change nothing about it."""
        # A publish that a handler of the user's makes inside another is nobody's tick.
        outer = _current.get()
        if outer is None and self._is_noop(kwargs):
            return wrapped(*args, **kwargs)
        call = _Call(app, kwargs, current_schedule.get() if outer is None or outer.is_over else None)
        try:
            _current.set(call)
            result = wrapped(*args, **kwargs)
            self._ended(call, None)
        except BaseException as error:
            self._raised(call, error, args, kwargs)
            hide_this_frame(error)
            raise
        finally:
            _current.set(outer)
        if call.interrupt is not None:
            raise call.interrupt
        return result

    def before_publish(
        self,
        sender: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        exchange: Any = None,
        routing_key: str | None = None,
        body: Any = None,
        declare: Any = None,
        **_: Any,
    ) -> None:
        """Take ``before_task_publish``: the message is complete and has not left."""
        try:
            call = _current.get()
            if call is not None and headers is not None and not (call.is_told or call.is_unsampled):
                self._complete(call, sender, headers, properties, exchange, routing_key, body, declare)
        except Exception as error:
            if swallow(self.before_publish, error):
                return
            # A soft time limit that lands here would end in the log of Celery's signal: it is raised after the call.
            call = _current.get()
            if call is None:
                raise
            call.interrupt = error

    def _is_noop(self, said: dict[str, Any]) -> bool:
        try:
            # A retry comes with the headers of the attempt before it.
            return self._sink.is_noop(said.get("headers") or _NOTHING)
        except Exception as error:
            if not swallow(self._is_noop, error):
                raise
            return False

    def _complete(
        self,
        call: _Call,
        sender: str | None,
        headers: dict[str, Any],
        properties: dict[str, Any] | None,
        exchange: Any,
        routing_key: str | None,
        body: Any,
        declare: Any,
    ) -> None:
        headers.pop(_RECEIVED_HEADER, None)
        queue = declared_queue(exchange, routing_key, declare)
        key = None
        if call.schedule is None and passes_simply(headers):
            other = queue if routing_key is not None else None
            call.is_unsampled = self._sink.propagate_only(headers, headers["id"], call.began_ns, other)
            if call.is_unsampled:
                return
            task = task_of(call.app, sender or headers.get("task"))
            key = key_of_publish(
                sender, headers, properties or _NOTHING, exchange, routing_key, queue, call.broker, task
            )
            pattern = self._patterns.find(key)
            if pattern is not None:
                call.is_told = True
                named = JobByPattern(pattern, headers["id"], headers.get("root_id"), headers.get("parent_id"))
                arguments = partial(_arguments_of, body, headers, task)
                self._sink(PublishByPattern(call, named, headers, call.began_ns, arguments))
                return
        job = job_from_headers(sender, headers, properties or _NOTHING, body, exchange, routing_key, queue)
        task = task_of(call.app, job.name)
        event = self._began(call, job, call.broker, headers, task, partial(_arguments_of, body, headers, task))
        self._patterns.learn(key, event)

    def _began(
        self,
        call: _Call,
        job: Job,
        broker: Broker,
        carrier: dict[str, Any],
        task: Any,
        arguments: Callable[[], Arguments] | None = None,
    ) -> PublishStarted:
        call.is_told = True
        if call.schedule is not None:
            job = job._replace(scheduled_by=call.schedule.by, schedule_name=call.schedule.name)
        event = PublishStarted(
            call,
            job,
            broker,
            carrier,
            call.began_ns,
            is_root=call.schedule is not None and call.schedule.is_root,
            is_member=job.name != CHORD_UNLOCK,
            options=options_of(task),
            arguments=arguments,
            is_known=task is not None,
        )
        self._sink(event)
        return event

    @redo_on_interrupt
    def _raised(self, call: _Call, error: BaseException, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not (call.is_told or call.is_unsampled):
            job = job_from_call(call.app, args, kwargs)
            self._began(call, job, broker_of(call.app), {}, task_of(call.app, job.name))
        self._ended(call, error)

    @redo_on_interrupt
    def _ended(self, call: _Call, error: BaseException | None) -> None:
        call.is_over = True
        if call.is_told:
            self._sink(PublishFinished(call, error, time.time_ns()))
            # Handlers of others that make a context current around ours need not nest with them.
            go_back_to(call.around)


def _arguments_of(body: Any, headers: dict[str, Any], task: Any) -> Arguments:
    """Return the arguments in a message's body, of protocol 2 or 1."""
    if isinstance(body, (list, tuple)) and len(body) > 1:
        args, kwargs = body[0], body[1]
    else:
        args, kwargs = (body.get("args"), body.get("kwargs")) if isinstance(body, dict) else ((), {})
    return arguments_of(args, kwargs, headers, task)
