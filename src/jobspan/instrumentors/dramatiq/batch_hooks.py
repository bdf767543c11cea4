"""Dramatiq's ``group.run`` → batch events; which workflow and group a message is of."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from jobspan import conventions as c
from jobspan.events import BatchFinished, BatchStarted, Sink
from jobspan.instrumentors.dramatiq.mapping import broker_of, carrier_of, options_of
from jobspan.instrumentors.guard import guarded, hide_this_frame, redo_on_interrupt
from jobspan.instrumentors.patches import Patches
from jobspan.job_options import JobOptions
from jobspan.jobs import Framework
from jobspan.named_tuple import NamedTuple


class _Group(NamedTuple):
    """A group that is being published; ``root_id`` is the outermost's."""

    id: str
    root_id: str


_current: ContextVar[_Group | None] = ContextVar("jobspan_dramatiq_group", default=None)


def workflow_of(message: Any) -> tuple[str | None, str | None]:
    """Return the ids of the workflow that begins with a message and of the group that is being published.

    The workflow is its group's, or its own as first step of a pipeline.
    """
    group = _current.get()
    if group is not None:
        return group.root_id, group.id
    return (str(message.message_id), None) if message.options.get("pipe_target") is not None else (None, None)


def is_simple(message: Any) -> bool:
    """Say whether a message is a job's first attempt, due at once and part of no workflow."""
    options = message.options
    is_first = not options.get("retries") and options.get("eta") is None
    return is_first and options.get("pipe_target") is None and _current.get() is None


def members_on(message: Any) -> dict[str, Any]:
    """Return what a completion callback carries of the members that it waits for."""
    text = carrier_of(message.options).get(c.MEMBERS_FIELD)
    return {} if text is None else {c.MEMBERS_FIELD: text}


def install(sink: Sink, patches: Patches) -> None:
    """Wrap the publishing of groups."""
    from dramatiq.composition import group

    patches.wrap(group, "run", BatchHooks(sink).run)


class BatchHooks:
    """Reports calls that publish many jobs to the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def run(self, wrapped: Callable[..., Any], group: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``group.run``."""
        key, own, token = object(), getattr(group, "completion_callbacks", None), None
        try:
            self._begin(key, group)
            token = _current.set(_nested())
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self._end(key, error)
            hide_this_frame(error)
            raise
        finally:
            if own is not None:
                group.completion_callbacks = own
            if token is not None:
                _current.reset(token)
        self._end(key, None)
        return result

    @guarded
    def _begin(self, key: object, group: Any) -> None:
        body: dict[str, Any] | None = {} if group.completion_callbacks else None
        to_broker = broker_of(group.broker)
        number = len(group.children)
        now = time.time_ns()
        jobs = tuple(_job_of(group.broker, child) for child in group.children)
        self._sink(BatchStarted(key, "group", Framework.DRAMATIQ, to_broker, now, body=body, members=number, jobs=jobs))
        if body:
            # For this call only, and copies: the callbacks are the caller's.
            group.completion_callbacks = [_carrying(message, body) for message in group.completion_callbacks]

    @redo_on_interrupt
    def _end(self, key: object, error: BaseException | None) -> None:
        self._sink(BatchFinished(key, error, time.time_ns()))


def _nested() -> _Group:
    outer, own = _current.get(), str(uuid.uuid4())
    return _Group(own, own if outer is None else outer.root_id)


def _job_of(broker: Any, child: Any) -> tuple[str | None, JobOptions]:
    """Return the first job that a member publishes: of a pipeline its first message; of a group none."""
    first = next(iter(getattr(child, "messages", ())), child)
    name = getattr(first, "actor_name", None)
    return name, options_of(broker, name)


def _carrying(message: Any, body: dict[str, Any]) -> Any:
    return {**message, "options": {**message["options"], c.DRAMATIQ_OPTION: dict(body)}}
