"""Which schedule put a message: periodiq's mark on it, or whoever publishes now."""

from __future__ import annotations

from typing import Any

from jobspan.instrumentors.schedules import Schedule, current_schedule


def schedule_of(actor: Any, message: Any) -> Schedule | None:
    """Return the schedule that put a message; None when none did. periodiq's entries are its actors."""
    if "scheduled_at" in message.options and actor is not None and "periodic" in actor.options:
        return Schedule("periodiq", message.actor_name)
    return current_schedule.get()
