"""Switches the instrumentation of Celery on and off."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any, ClassVar

from jobspan.events import JobSink
from jobspan.instrumentors.base import LibraryInstrumentor
from jobspan.instrumentors.celery.green import warn_of_a_stall
from jobspan.instrumentors.contrib import Contrib, ContribCelery
from jobspan.instrumentors.patches import Patches
from jobspan.recording.interrupts import let_through


class CeleryInstrumentor(LibraryInstrumentor):
    """Every Celery publish and run becomes a span, in producers and in workers.

    ``instrument()`` without arguments does what ``opentelemetry-instrument`` does.
    """

    library: ClassVar[str] = "celery"
    module: ClassVar[str] = "celery.app.base"
    supported: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((5, 3), (5, 8))
    entry_point: ClassVar[str] = "jobspan_celery"
    contrib: ClassVar[type[Contrib] | None] = ContribCelery

    def _instrument(self, **kwargs: Any) -> None:
        warn_of_a_stall(sys.argv, os.environ)
        super()._instrument(**kwargs)

    def _hook(self, module: ModuleType, sink: JobSink, patches: Patches) -> None:
        from billiard.exceptions import SoftTimeLimitExceeded

        from jobspan.instrumentors import schedules
        from jobspan.instrumentors.celery import canvas, descriptors, other_handlers
        from jobspan.instrumentors.celery.children import Children, keep
        from jobspan.instrumentors.celery.last_ends import LastEnds
        from jobspan.instrumentors.celery.main_process import MainProcess, watch
        from jobspan.instrumentors.celery.publishing import PublishHooks
        from jobspan.instrumentors.celery.signals import connect

        let_through(SoftTimeLimitExceeded)
        publishing = PublishHooks(sink)
        canvas.install(sink, patches)
        descriptors.keep_open(patches)
        schedules.install_beat(patches)
        schedules.install_apscheduler(patches)
        patches.wrap(module.Celery, "send_task", publishing.send_task)
        last_ends = LastEnds(sink)
        patches.on_undo(last_ends.stop_when_all_are_told)
        patches.on_undo(connect(sink, publishing))
        patches.on_undo(last_ends.hear)
        other_handlers.stand_around(patches)
        watch(MainProcess(sink), patches)
        keep(Children(sink), patches)
        if self._settings.canary:
            from jobspan.instrumentors.celery import canary

            canary.register(patches)
