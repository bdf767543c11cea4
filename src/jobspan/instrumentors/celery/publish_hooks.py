"""Celery's call that publishes a task → publish events.

``Celery.send_task`` gives the true duration and every error. What the message really says (id, route, ETA) is known
only inside it, at ``before_task_publish``: the start is recorded there, with the time at which the call began.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from celery import signals

from jobspan.events import Arguments, JobSink, PublishByPattern, PublishStarted
from jobspan.instrumentors.celery.mapping import (
    CHORD_UNLOCK,
    WITHOUT_LIMITS,
    arguments_of,
    broker_of,
    broker_of_publish,
    declared_queue,
    is_simple,
    job_from_call,
    job_from_headers,
    options_of,
    task_of,
)
from jobspan.instrumentors.guard import swallow
from jobspan.instrumentors.job_patterns import of_values
from jobspan.instrumentors.patches import Patches
from jobspan.instrumentors.schedules import current_schedule
from jobspan.instrumentors.task_library.publish_call import PublishCall, PublishHooks
from jobspan.job_options import NOTHING
from jobspan.jobs import Broker, Job
from jobspan.patterns import JobByPattern
from jobspan.recording.context.otel_context import around

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Celery

_RECEIVED_HEADER = "jobspan-received"
_NOTHING: dict[str, Any] = {}


class _Call(PublishCall):
    """One ``send_task`` under way."""

    def __init__(self, app: Celery, _: tuple[Any, ...], options: dict[str, Any], outer: _Call | None) -> None:
        self.app = app
        self.options = options
        self.around = around()
        # A publish that a handler of the application makes inside another is no tick of the schedule.
        self.schedule = current_schedule.get() if outer is None or outer.is_over else None
        self.began_ns = time.time_ns()

    @property
    def broker(self) -> Broker:
        options = self.options
        producer = options.get("producer") or options.get("publisher")
        return broker_of_publish(self.app, options.get("connection"), producer)


_current: ContextVar[_Call | None] = ContextVar("jobspan_celery_publish", default=None)


def install(sink: JobSink, celery: type[Celery], patches: Patches) -> None:
    """Wrap ``Celery.send_task``, and connect the hook in it."""
    hooks = CeleryPublishHooks(sink)
    patches.wrap(celery, "send_task", hooks.publish)
    patches.connect(signals.before_task_publish, hooks.before_publish)


class CeleryPublishHooks(PublishHooks):
    """Reports every publish that goes through a Celery app to the sink."""

    begins_before: ClassVar[bool] = False
    _current: ClassVar[ContextVar[Any]] = _current
    _call = _Call

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
            if call is not None and headers is not None and not (call.is_recorded or call.is_unsampled):
                self._complete(call, sender, headers, properties, exchange, routing_key, body, declare)
        except Exception as error:
            if swallow(self.before_publish, error):
                return
            # A soft time limit that lands here would end in the log of Celery's signal: it is raised after the call.
            call = _current.get()
            if call is None:
                raise
            call.interrupt = error

    def _is_noop(self, outer: _Call | None, _: tuple[Any, ...], options: dict[str, Any]) -> bool:
        try:
            # A retry comes with the headers of the attempt before it.
            return outer is None and self._sink.is_noop(options.get("headers") or _NOTHING)
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
        if call.schedule is None and is_simple(headers):
            other = queue if routing_key is not None else None
            call.is_unsampled = self._sink.propagate_only(headers, headers["id"], call.began_ns, other)
            if call.is_unsampled:
                return
            task = task_of(call.app, sender or headers.get("task"))
            key = _key_of(sender, headers, properties or _NOTHING, exchange, routing_key, queue, call.broker, task)
            pattern = self._patterns.find(key)
            if pattern is not None:
                call.is_recorded = True
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
        call.is_recorded = True
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

    def _begin(self, call: _Call, app: Celery, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        job = job_from_call(app, args, options)
        self._began(call, job, broker_of(app), {}, task_of(app, job.name))


def _key_of(
    name: str | None,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    exchange: Any,
    routing_key: str | None,
    queue: str | None,
    broker: Broker,
    task: Any,
) -> Hashable:
    """Return what decides all that is recorded of a simple publish but its ids and times; None: there is more to it."""
    if headers.get("group") is not None or headers.get("expires") is not None or properties.get("priority"):
        return None
    if not routing_key or headers.get("timelimit") not in WITHOUT_LIMITS or name == CHORD_UNLOCK:
        return None
    if options_of(task) is not NOTHING:
        return None
    known = None if task is None else "known"
    exchange = getattr(exchange, "name", exchange)
    return of_values(name, headers.get("task"), known, exchange, routing_key, queue, broker)


def _arguments_of(body: Any, headers: dict[str, Any], task: Any) -> Arguments:
    """Return the arguments in a message's body, of protocol 2 or 1."""
    if isinstance(body, (list, tuple)) and len(body) > 1:
        args, kwargs = body[0], body[1]
    else:
        args, kwargs = (body.get("args"), body.get("kwargs")) if isinstance(body, dict) else ((), {})
    return arguments_of(args, kwargs, headers, task)
