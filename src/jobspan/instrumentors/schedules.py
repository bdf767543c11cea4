"""Which schedule publishes now, whatever library its jobs publish with; APScheduler's own calls, wrapped.

The schedule is current while the scheduler's own call lasts; publish hooks read ``current_schedule``.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from jobspan.instrumentors.patches import Patches, when_imported
from jobspan.named_tuple import NamedTuple


class Schedule(NamedTuple):
    """What published a job on time, and by which entry. ``is_root``: each tick begins a trace, whatever is current."""

    by: str
    name: str | None
    is_root: bool = False


current_schedule: ContextVar[Schedule | None] = ContextVar("jobspan-schedule", default=None)


def install(patches: Patches) -> None:
    """Wrap the run of a job, in every executor of APScheduler 3."""
    when_imported("apscheduler.executors.base", lambda module: _patch_executors(module, patches), patches)


def _patch_executors(base: ModuleType, patches: Patches) -> None:
    for name, wrap in (("run_job", _wrap), ("run_coroutine_job", _wrap_coroutine)):
        found = getattr(base, name, None)
        if found is None:
            continue
        if hasattr(found, "jobspan_before"):
            mine = found
        else:
            mine = wrap(found)
            mine.jobspan_before, mine.jobspan_users = found, 0  # type: ignore[attr-defined]  # marks it as jobspan's
            _replace(name, found, mine)
        mine.jobspan_users += 1
        patches.on_undo(functools.partial(_restore, name, mine))


def _restore(name: str, mine: Any) -> None:
    """Restore the original, unless another instrumentor is still on."""
    mine.jobspan_users -= 1
    if not mine.jobspan_users:
        _replace(name, mine, mine.jobspan_before)


def _replace(name: str, old: Any, new: Any) -> None:
    """Put one function in another's place wherever an executor has imported it.

    A process pool pickles it by its name in the base module: so it is a function, and the same one everywhere.
    """
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("apscheduler.executors.") and getattr(module, name, None) is old:
            setattr(module, name, new)


def _wrap(run_job: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run_job)
    def run(job: Any, *args: Any, **kwargs: Any) -> Any:
        token = current_schedule.set(Schedule("apscheduler", text_of(getattr(job, "name", None))))
        try:
            return run_job(job, *args, **kwargs)
        finally:
            current_schedule.reset(token)

    return run


def _wrap_coroutine(run_job: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run_job)
    async def run(job: Any, *args: Any, **kwargs: Any) -> Any:
        token = current_schedule.set(Schedule("apscheduler", text_of(getattr(job, "name", None))))
        try:
            return await run_job(job, *args, **kwargs)
        finally:
            current_schedule.reset(token)

    return run


def text_of(name: Any) -> str | None:
    """Return a schedule's name as text; None where it has none."""
    return None if name is None else str(name)
