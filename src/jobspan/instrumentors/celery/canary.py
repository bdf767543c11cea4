"""The job that does nothing, on every Celery app of a process with the setting ``canary``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import _state

from jobspan import conventions as c
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Celery


def register(patches: Patches) -> None:
    """Let each app know the job as it knows Celery's own: when it is finalized, or now."""
    is_wanted = [True]
    patches.on_undo(is_wanted.clear)

    @guarded
    def add(app: Celery) -> None:
        if is_wanted:
            app.task(_nothing, name=c.CANARY_JOB, shared=False, lazy=False, ignore_result=True)

    _state.connect_on_app_finalize(add)
    for app in _state._get_active_apps():  # noqa: SLF001 - as celery.shared_task does
        if app.finalized:
            add(app)


def _nothing() -> None:
    """Run, and be recorded."""
