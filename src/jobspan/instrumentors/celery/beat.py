"""Celery beat: each entry that it sends is published by that schedule."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from jobspan.instrumentors.patches import Patches
from jobspan.instrumentors.schedules import Schedule, current_schedule, text_of


def install(beat: ModuleType, patches: Patches) -> None:
    """Wrap the sending of an entry, for all schedulers of Celery beat."""
    for name in ("apply_entry", "apply_async"):
        patches.wrap(beat.Scheduler, name, _send_entry)


def _send_entry(wrapped: Callable[..., Any], scheduler: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    entry = args[0] if args else kwargs.get("entry")
    token = current_schedule.set(Schedule("beat", text_of(getattr(entry, "name", None)), is_root=True))
    try:
        return wrapped(*args, **kwargs)
    finally:
        current_schedule.reset(token)
