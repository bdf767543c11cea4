"""Celery's calls that publish many tasks → batch events: groups, chords' headers, chunks."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from celery import canvas
from celery.canvas import maybe_signature

from jobspan import conventions as c
from jobspan.events import BatchFinished, BatchStarted, Sink
from jobspan.instrumentors.celery.mapping import broker_of, options_of, task_of
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches
from jobspan.jobs import Framework

# The group that a chord's header or the chunks are sent as is the same call.
_is_group_recorded: ContextVar[bool] = ContextVar("jobspan-celery-is-group-recorded", default=False)

_COMPOSED = frozenset({"celery.chain", "celery.group", "celery.chord", "celery.chunks"})


def install(sink: Sink, patches: Patches) -> None:
    """Wrap the sending of groups, chords and chunks."""
    hooks = BatchHooks(sink)
    patches.wrap(canvas.group, "apply_async", hooks.send_group)
    patches.wrap(canvas.chunks, "apply_async", hooks.send_chunks)
    patches.wrap(canvas._chord, "run", hooks.send_chord)  # noqa: SLF001 - its public name is an instance's type


class BatchHooks:
    """Reports calls that publish many tasks to the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def send_group(self, wrapped: Callable[..., Any], group: Any, args: Any, kwargs: Any) -> Any:
        """Wrap ``group.apply_async``."""
        if _is_group_recorded.get():
            token = _is_group_recorded.set(False)
            try:
                return wrapped(*args, **kwargs)
            finally:
                _is_group_recorded.reset(token)
        return self._around(self._begin_group(group), wrapped, args, kwargs)

    def send_chunks(self, wrapped: Callable[..., Any], chunks: Any, args: Any, kwargs: Any) -> Any:
        """Wrap ``chunks.apply_async``, which sends a group."""
        return self._around(self._begin(chunks, chunks.name), wrapped, args, kwargs, sends_group=True)

    def send_chord(self, wrapped: Callable[..., Any], chord: Any, args: Any, kwargs: Any) -> Any:
        """Wrap a chord's ``run``: the body carries the header's members while the call lasts."""
        body = _argument(args, kwargs, 1, "body")
        headers: dict[str, Any] = {}
        call = self._begin_chord(chord, _argument(args, kwargs, 0, "header"), headers)
        before = _put_headers(body, headers)
        try:
            return self._around(call, wrapped, args, kwargs, sends_group=True)
        finally:
            _restore_headers(body, before)

    def _around(
        self, call: object, wrapped: Callable[..., Any], args: Any, kwargs: Any, sends_group: bool = False
    ) -> Any:
        token = _is_group_recorded.set(sends_group)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self._end(call, error)
            raise
        finally:
            _is_group_recorded.reset(token)
        self._end(call, None)
        return result

    @guarded
    def _begin_group(self, group: Any) -> object:
        return None if _is_empty(group) else self._begin(group, group.name, **_counted(group))

    @guarded
    def _begin_chord(self, chord: Any, header: Any, headers: dict[str, Any]) -> object:
        if _is_empty(header):
            return None
        return self._begin(chord, chord.name, body=headers, **_counted(header))

    @guarded
    def _begin(self, signature: Any, name: str, **members: Any) -> object:
        app = signature.app
        if app.conf.task_always_eager:
            return None
        call = object()
        self._sink(BatchStarted(call, name, Framework.CELERY, broker_of(app), time.time_ns(), **members))
        return call

    @guarded
    def _end(self, call: object, error: BaseException | None) -> None:
        if call is not None:
            self._sink(BatchFinished(call, error, time.time_ns()))


def _argument(args: Any, kwargs: Any, position: int, name: str) -> Any:
    return args[position] if len(args) > position else kwargs.get(name)


def _is_empty(group: Any) -> bool:
    # A generator is the application's: only its consumer may advance it.
    return isinstance(group.tasks, (list, tuple)) and not group.tasks


def _counted(group: Any) -> dict[str, Any]:
    """Return how many jobs a group publishes by itself and leaves to others; nothing where that is not known yet."""
    counted = _published_by(group)
    if counted is None:
        return {}
    names, omitted = counted
    found = {name: options_of(task_of(group.app, name)) for name in set(names)}
    return {"members": len(names), "omitted": omitted, "jobs": tuple((name, found[name]) for name in names)}


def _published_by(group: Any) -> tuple[list[str], int] | None:
    """Return the names of the members that a group publishes by itself, and how many are published by others, later."""
    names: list[str] = []
    omitted = 0
    if not isinstance(group.tasks, (list, tuple)):
        return None
    for task in group.tasks:
        if _name(task) == "celery.group":
            inside = _published_by(maybe_signature(task))
            if inside is None:
                return None
            names, omitted = names + inside[0], omitted + inside[1]
        elif (first := _first_name(task)) is not None:
            names.append(first)
        else:
            omitted += 1
    return names, omitted


def _first_name(signature: Any) -> str | None:
    """Return what sending a member publishes, if that is one job: of a task, or of the one that a chain begins with."""
    name = _name(signature)
    if name != "celery.chain":
        return name if name not in _COMPOSED else None
    tasks = signature["kwargs"]["tasks"]
    return _first_name(tasks[0]) if tasks else None


def _name(signature: Any) -> str:
    return str(signature["task"])


@guarded
def _put_headers(body: Any, headers: dict[str, Any]) -> Any:
    """Add headers to those that the body will be sent with; return those that were there."""
    if c.MEMBERS_FIELD not in headers:
        return None
    before = body.options.get("headers")
    body.options["headers"] = {**(before or {}), **headers}
    return (before,)


@guarded
def _restore_headers(body: Any, before: Any) -> None:
    """Restore the body's headers: it may be the application's own signature."""
    if before is None:
        return
    if before[0] is None:
        body.options.pop("headers", None)
    else:
        body.options["headers"] = before[0]
