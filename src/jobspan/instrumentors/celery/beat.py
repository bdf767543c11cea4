"""Celery beat: each entry that it sends is published by that schedule."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from jobspan.instrumentors.patches import Patches, when_imported
from jobspan.instrumentors.schedules import Schedule, current_schedule, text_of


def install_beat(patches: Patches) -> None:
    """Stand around the sending of an entry, for all schedulers of Celery beat."""

    def patch(module: ModuleType) -> None:
        for name in ("apply_entry", "apply_async"):
            patches.wrap(module.Scheduler, name, _send_entry)

    when_imported("celery.beat", patch, patches)


def _send_entry(wrapped: Callable[..., Any], scheduler: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    entry = args[0] if args else kwargs.get("entry")
    token = current_schedule.set(Schedule("beat", text_of(getattr(entry, "name", None)), is_root=True))
    try:
        return wrapped(*args, **kwargs)
    finally:
        current_schedule.reset(token)
