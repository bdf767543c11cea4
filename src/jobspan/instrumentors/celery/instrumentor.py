"""Switches the instrumentation of Celery on and off."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any, ClassVar

from jobspan.events import JobSink
from jobspan.instrumentors.base import LibraryInstrumentor
from jobspan.instrumentors.celery.workarounds.green_pools import warn_of_a_stall
from jobspan.instrumentors.patches import Patches
from jobspan.recording.safety.interrupts import register_interrupt


class CeleryInstrumentor(LibraryInstrumentor):
    """Every Celery publish and run becomes a span, in producers and in workers.

    ``instrument()`` without arguments does what ``opentelemetry-instrument`` does.
    """

    library: ClassVar[str] = "celery"
    module: ClassVar[str] = "celery.app.base"
    supported: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((5, 3), (5, 8))
    entry_point: ClassVar[str] = "jobspan_celery"
    contrib: ClassVar[str | None] = "opentelemetry.instrumentation.celery"

    def _instrument(self, **kwargs: Any) -> None:
        warn_of_a_stall(sys.argv, os.environ)
        super()._instrument(**kwargs)

    def _silence_contrib(self, module: ModuleType, patches: Patches) -> None:
        from jobspan.instrumentors.celery.workarounds.contrib import ContribCelery

        ContribCelery(module, patches)

    def _hook(self, module: ModuleType, sink: JobSink, patches: Patches) -> None:
        from billiard.exceptions import SoftTimeLimitExceeded

        from jobspan.instrumentors.celery import batch_hooks
        from jobspan.instrumentors.celery.beat import install_beat
        from jobspan.instrumentors.celery.children import Children, keep
        from jobspan.instrumentors.celery.main_process import MainProcess, watch
        from jobspan.instrumentors.celery.publish_hooks import PublishHooks
        from jobspan.instrumentors.celery.run_hooks import OpenRunEnds, connect
        from jobspan.instrumentors.celery.workarounds import foreign_handlers, open_descriptors
        from jobspan.instrumentors.schedules import install_apscheduler

        register_interrupt(SoftTimeLimitExceeded)
        publishing = PublishHooks(sink)
        batch_hooks.install(sink, patches)
        open_descriptors.keep_open(patches)
        install_beat(patches)
        install_apscheduler(patches)
        patches.wrap(module.Celery, "send_task", publishing.send_task)
        last_ends = OpenRunEnds(sink)
        patches.on_undo(last_ends.stop_when_drained)
        patches.on_undo(connect(sink, publishing))
        patches.on_undo(last_ends.hear)
        foreign_handlers.stand_around(patches)
        watch(MainProcess(sink), patches)
        keep(Children(sink), patches)
        if self._settings.canary:
            from jobspan.instrumentors.celery import canary

            canary.register(patches)
