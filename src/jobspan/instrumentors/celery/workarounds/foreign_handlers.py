"""Other libraries' handlers that make a context current around a run, and detach it before or after jobspan's does.

Receivers of a signal are called in the order in which they were connected, so two libraries do not nest: whichever
detaches last restores what the other had attached. So one handler before all of them remembers what is current, and one
after all of them restores it; where Celery's are the only others, there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType

from celery import signals

from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches
from jobspan.recording.context.otel_context import Around, around, go_back_to

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Task

_UID = "jobspan-around"
_AROUND = "jobspan_around"


def install(patches: Patches) -> None:
    """Put a handler before and after those of ``task_prerun`` and ``task_postrun``, whenever they connect."""
    _place_all()
    # ``connect`` may answer a decorator, which connects later.
    patches.wrap(signals.task_postrun, "_connect_signal", _connected)
    patches.on_undo(_remove)


def _connected(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    receiver = wrapped(*args, **kwargs)
    _place_all()
    return receiver


@guarded
def _place_all() -> None:
    if any(map(_is_others, _receivers())):
        _place(signals.task_prerun, _before_all, is_first=True)
        _place(signals.task_postrun, _after_all, is_first=False)


def _receivers() -> Iterator[Any]:
    for _, receiver in list(signals.task_postrun.receivers):
        yield receiver() if isinstance(receiver, ReferenceType) else receiver


def _is_others(receiver: Any) -> bool:
    """Say whether it is neither jobspan's nor Celery's; None is one that is there no more."""
    module = getattr(receiver, "__module__", None) or ""
    return receiver is not None and module.partition(".")[0] not in ("jobspan", "celery")


def _place(signal: Any, receiver: Callable[..., None], *, is_first: bool) -> None:
    place = 0 if is_first else -1
    if signal.receivers and signal.receivers[place][1] is receiver:
        return
    with signal.lock:
        others = [each for each in signal.receivers if each[1] is not receiver]
        mine = ((_UID, id(None)), receiver)
        # In place: Celery holds the list.
        signal.receivers[:] = [mine, *others] if is_first else [*others, mine]
        signal.sender_receivers_cache.clear()


def _remove() -> None:
    signals.task_prerun.disconnect(dispatch_uid=_UID)
    signals.task_postrun.disconnect(dispatch_uid=_UID)


@guarded
def _before_all(task: Task, **_: Any) -> None:
    vars(task.request)[_AROUND] = around()


@guarded
def _after_all(task: Task, **_: Any) -> None:
    before: Around | None = vars(task.request).pop(_AROUND, None)
    if before is not None:
        go_back_to(before)
