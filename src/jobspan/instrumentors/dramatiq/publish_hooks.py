"""Dramatiq's ``enqueue`` → publish events: the wrapped call gives duration and errors, the hook in it the message."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

from jobspan import conventions as c
from jobspan.events import JobSink, PublishByPattern, PublishFinished, PublishStarted
from jobspan.instrumentors.dramatiq.batch_hooks import members_on, passes_simply, workflow_of
from jobspan.instrumentors.dramatiq.consumers import handing_over
from jobspan.instrumentors.dramatiq.mapping import BrokerFacts, arguments_of, carrier_of, options_on
from jobspan.instrumentors.dramatiq.open_runs import Runs
from jobspan.instrumentors.guard import guarded, hide_this_frame, redo_on_interrupt, swallow
from jobspan.instrumentors.job_patterns import Patterns
from jobspan.instrumentors.schedules import Schedule, current_schedule
from jobspan.patterns import JobByPattern


class _Call:
    """One ``enqueue`` under way: what its message is to carry."""

    __slots__ = ("carrier", "is_unsampled")

    def __init__(self) -> None:
        self.carrier: dict[str, Any] = {}
        self.is_unsampled = False


_NOWHERE = (None, None)
_current: ContextVar[_Call | None] = ContextVar("jobspan_dramatiq_publish", default=None)


class Publishing:
    """Tells the sink of every publish that goes through one broker."""

    def __init__(self, sink: JobSink, words: BrokerFacts, runs: Runs) -> None:
        self._sink = sink
        self._words = words
        self._runs = runs
        self._patterns = Patterns()

    def enqueue(self, wrapped: Callable[..., Any], broker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around the broker's ``enqueue`` and change nothing about it."""
        if handing_over.get() or self._is_noop(*args, **kwargs):
            return wrapped(*args, **kwargs)
        call, token = _Call(), None
        try:
            self._begin(call, broker, *args, **kwargs)
            token = _current.set(call)
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self._end(call, error)
            hide_this_frame(error)
            raise
        finally:
            if token is not None:
                _current.reset(token)
        self._end(call, None)
        if self._runs.current() is not None:
            self.note_retry(*args, **kwargs)
        return result

    def set_carrier(self, message: Any) -> None:
        """Put the carrier on the message that is about to be encoded."""
        call = _current.get()
        if call is not None and call.carrier:
            message.options[c.DRAMATIQ_OPTION] = dict(call.carrier)

    def _is_noop(self, message: Any = None, *_: Any, **__: Any) -> bool:
        try:
            return message is not None and self._sink.is_noop(carrier_of(message.options))
        except Exception as error:
            if not swallow(self._is_noop, error):
                raise
            return False

    @guarded
    def _begin(self, call: _Call, broker: Any, message: Any = None, *, delay: int | None = None, **_: Any) -> None:
        if message is None:
            return
        now = time.time_ns()
        if c.DRAMATIQ_OPTION in message.options:
            call.carrier.update(members_on(message))
        actor, run = broker.actors.get(message.actor_name), self._runs.current()
        continues = run is not None and run.continues_with(message)
        schedule = _schedule_of(actor, message)
        key = None
        if schedule is None and delay is None and not continues and passes_simply(message):
            call.is_unsampled = self._sink.propagate_only(call.carrier, message.message_id, now, None)
            if call.is_unsampled:
                return
            key = self._words.key(broker, message, options_on(actor))
            pattern = self._patterns.find(key)
            if pattern is not None:
                named, arguments = JobByPattern(pattern, message.message_id), partial(arguments_of, actor, message)
                self._sink(PublishByPattern(call, named, call.carrier, now, arguments))
                return
        workflow_id, group_id = _NOWHERE if continues else workflow_of(message)
        job = self._words.job(
            broker,
            message,
            delay,
            now,
            workflow_id=workflow_id,
            group_id=group_id,
            schedule=schedule,
        )
        event = PublishStarted(
            call,
            job,
            self._words.of(broker),
            call.carrier,
            now,
            continues=continues,
            options=options_on(actor),
            arguments=partial(arguments_of, actor, message),
            is_known=actor is not None,
        )
        self._sink(event)
        self._patterns.learn(key, event)

    @redo_on_interrupt
    def _end(self, call: _Call, error: BaseException | None) -> None:
        if not call.is_unsampled:
            self._sink(PublishFinished(call, error, time.time_ns()))

    @guarded
    def note_retry(self, message: Any = None, *, delay: int | None = None, **_: Any) -> None:
        """Note that the message of the run that this thread is in was put on the queue again."""
        run = self._runs.current()
        if run is not None and message is not None and run.message_id == message.message_id:
            run.put_back(delay)


def _schedule_of(actor: Any, message: Any) -> Schedule | None:
    """Return the schedule that put a message; None when none did. periodiq's entries are its actors."""
    if "scheduled_at" in message.options and actor is not None and "periodic" in actor.options:
        return Schedule("periodiq", message.actor_name)
    return current_schedule.get()
