"""Switches the instrumentation of console commands on and off."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from jobspan import settings
from jobspan.events import Sink
from jobspan.instrumentors.base import LibraryInstrumentor
from jobspan.instrumentors.contrib import Contrib, ContribClick
from jobspan.instrumentors.patches import Patches


class CommandInstrumentor(LibraryInstrumentor):
    """Every Click command becomes the root span of the work that it causes.

    ``instrument()`` without arguments does what ``opentelemetry-instrument`` does.
    """

    library: ClassVar[str] = "click"
    module: ClassVar[str] = "click.core"
    supported: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((8, 1), (9, 0))
    entry_point: ClassVar[str] = "jobspan_commands"
    contrib: ClassVar[type[Contrib] | None] = ContribClick

    def _instrument(self, **kwargs: Any) -> None:
        self._excluded = settings.load(kwargs).excluded_commands
        super()._instrument(**kwargs)

    def _hook(self, module: ModuleType, sink: Sink, patches: Patches) -> None:
        from jobspan.instrumentors.commands.click import ClickHooks

        hooks = ClickHooks(sink, self._excluded)
        patches.wrap(module.Command, "main", hooks.main)
        patches.wrap(module.Command, "invoke", hooks.invoke)
