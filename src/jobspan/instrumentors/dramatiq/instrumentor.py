"""Switches the instrumentation of Dramatiq on and off."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import ClassVar

import wrapt

from jobspan.events import JobSink
from jobspan.instrumentors.base import LibraryInstrumentor
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported


class DramatiqInstrumentor(LibraryInstrumentor):
    """Every Dramatiq publish and run becomes a span, on every broker of the process, whenever it was made.

    ``instrument()`` without arguments does what ``opentelemetry-instrument`` does.
    """

    library: ClassVar[str] = "dramatiq"
    module: ClassVar[str] = "dramatiq.broker"
    supported: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((1, 17), (2, 3))
    entry_point: ClassVar[str] = "jobspan_dramatiq"

    def _hook(self, module: ModuleType, sink: JobSink, patches: Patches) -> None:
        from jobspan.instrumentors import schedules
        from jobspan.instrumentors.dramatiq.brokers import Brokers, made_before

        brokers = Brokers(sink, patches, canary=self._settings.canary)
        for broker in made_before(module.Broker):
            brokers.join(broker)
        patches.wrap(module.Broker, "__init__", brokers.after_init)
        patches.on_undo(brokers.close)
        schedules.install(patches)
        # An import of Dramatiq brings the brokers' module first and the worker's last.
        wrapt.register_post_import_hook(brokers.after_worker_import, "dramatiq.worker")
        when_imported("dramatiq.cli", partial(_install_children, sink=sink, patches=patches), patches)


@guarded
def _install_children(cli: ModuleType, *, sink: JobSink, patches: Patches) -> None:
    from jobspan.instrumentors.dramatiq import children

    children.install(sink, cli, patches)
