"""Switches the instrumentation of Celery on and off."""

from __future__ import annotations

import os
import sys
from functools import partial
from types import ModuleType
from typing import Any, ClassVar

from jobspan.events import JobSink
from jobspan.instrumentors.base import LibraryInstrumentor
from jobspan.instrumentors.patches import Patches, when_imported
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
        if any(word.startswith(("-P", "--pool")) for word in sys.argv):
            # A program without pools starts without it: tests/library/cost/test_start_up.py counts its modules.
            from jobspan.instrumentors.celery.workarounds.green_pools import warn_of_a_stall

            warn_of_a_stall(sys.argv, os.environ)
        super()._instrument(**kwargs)

    def _silence_contrib(self, module: ModuleType, patches: Patches) -> None:
        from jobspan.instrumentors.celery.workarounds.contrib import ContribCelery

        ContribCelery(module, patches)

    def _hook(self, module: ModuleType, sink: JobSink, patches: Patches) -> None:
        from billiard.exceptions import SoftTimeLimitExceeded

        from jobspan.instrumentors import schedules
        from jobspan.instrumentors.celery import batch_hooks, children, main_process, publish_hooks, run_hooks
        from jobspan.instrumentors.celery.workarounds import foreign_handlers, open_descriptors

        register_interrupt(SoftTimeLimitExceeded)
        batch_hooks.install(sink, patches)
        open_descriptors.install(patches)
        when_imported("celery.beat", partial(_install_beat, patches=patches), patches)
        schedules.install(patches)
        publish_hooks.install(sink, module.Celery, patches)
        run_hooks.install(sink, patches)
        foreign_handlers.install(patches)
        main_process.install(sink, patches)
        children.install(sink, patches)
        if self._settings.canary:
            from jobspan.instrumentors.celery import canary

            canary.register(patches)


def _install_beat(module: ModuleType, *, patches: Patches) -> None:
    from jobspan.instrumentors.celery import beat

    beat.install(module, patches)
