"""Dramatiq's ``enqueue`` → publish events: the wrapped call gives duration and errors, the hook in it the message."""

from __future__ import annotations

import time
from contextvars import ContextVar
from functools import partial
from typing import Any, ClassVar

from jobspan import conventions as c
from jobspan.events import JobSink, PublishByPattern, PublishStarted
from jobspan.instrumentors.dramatiq.batch_hooks import is_simple, members_on, workflow_of
from jobspan.instrumentors.dramatiq.consumers import handing_over
from jobspan.instrumentors.dramatiq.mapping import BrokerFacts, arguments_of, carrier_of, options_on
from jobspan.instrumentors.dramatiq.open_runs import Run
from jobspan.instrumentors.guard import guarded, swallow
from jobspan.instrumentors.schedules import Schedule, current_schedule
from jobspan.instrumentors.task_library.publish_call import PublishCall, PublishHooks
from jobspan.instrumentors.task_library.run_tracker import OpenRuns
from jobspan.patterns import JobByPattern


class _Call(PublishCall):
    """One ``enqueue`` under way: what its message is to carry."""

    def __init__(self, *_: Any) -> None:
        self.carrier: dict[str, Any] = {}


_NOWHERE = (None, None)
_current: ContextVar[_Call | None] = ContextVar("jobspan_dramatiq_publish", default=None)


class DramatiqPublishHooks(PublishHooks):
    """Reports every publish that goes through one broker to the sink."""

    begins_before: ClassVar[bool] = True
    _current: ClassVar[ContextVar[Any]] = _current
    _call = _Call

    def __init__(self, sink: JobSink, facts: BrokerFacts, runs: OpenRuns[Run]) -> None:
        super().__init__(sink)
        self._facts = facts
        self._runs = runs

    def set_carrier(self, message: Any) -> None:
        """Put the carrier on the message that is about to be encoded."""
        call = _current.get()
        if call is not None and call.carrier:
            message.options[c.DRAMATIQ_OPTION] = dict(call.carrier)

    @guarded
    def note_retry(self, message: Any, delay: int | None) -> None:
        """Note that the message of the run that this thread is in was published again."""
        run = self._runs.current()
        if run is not None and run.message_id == message.message_id:
            run.note_retry(delay)

    def _is_noop(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        try:
            if handing_over.get():
                return True
            # A message given by keyword takes the whole way, to the same end: to look for it here costs all others.
            return args != () and self._sink.is_noop(carrier_of(args[0].options))
        except Exception as error:
            if not swallow(self._is_noop, error):
                raise
            return False

    @guarded
    def _begin(self, call: _Call, broker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        message, delay = args[0] if args else kwargs.get("message"), kwargs.get("delay")
        if message is None:
            return
        now = time.time_ns()
        if c.DRAMATIQ_OPTION in message.options:
            call.carrier.update(members_on(message))
        actor, run = broker.actors.get(message.actor_name), self._runs.current()
        continues = run is not None and run.continues_with(message)
        if run is not None and run.message_id == message.message_id:
            call.on_published = partial(run.note_retry, delay)
        schedule = _schedule_of(actor, message)
        key = None
        if schedule is None and delay is None and not continues and is_simple(message):
            call.is_unsampled = self._sink.propagate_only(call.carrier, message.message_id, now, None)
            if call.is_unsampled:
                return
            key = self._facts.key(broker, message, options_on(actor))
            pattern = self._patterns.find(key)
            if pattern is not None:
                call.is_recorded = True
                named, arguments = JobByPattern(pattern, message.message_id), partial(arguments_of, actor, message)
                self._sink(PublishByPattern(call, named, call.carrier, now, arguments))
                return
        workflow_id, group_id = _NOWHERE if continues else workflow_of(message)
        job = self._facts.job(
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
            self._facts.of(broker),
            call.carrier,
            now,
            continues=continues,
            options=options_on(actor),
            arguments=partial(arguments_of, actor, message),
            is_known=actor is not None,
        )
        call.is_recorded = True
        self._sink(event)
        self._patterns.learn(key, event)


def _schedule_of(actor: Any, message: Any) -> Schedule | None:
    """Return the schedule that published a message; None when none did. periodiq's entries are its actors."""
    if "scheduled_at" in message.options and actor is not None and "periodic" in actor.options:
        return Schedule("periodiq", message.actor_name)
    return current_schedule.get()
