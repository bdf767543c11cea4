"""Switches the instrumentation of console commands on and off."""

from __future__ import annotations

from types import ModuleType
from typing import Any, ClassVar

from jobspan import settings
from jobspan.events import Sink
from jobspan.instrumentors.base import LibraryInstrumentor
from jobspan.instrumentors.commands.long_running import LongRunningPrograms
from jobspan.instrumentors.commands.script import ScriptHooks
from jobspan.instrumentors.commands.subprocesses import ProgramHooks
from jobspan.instrumentors.commands.termination import Termination
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported


class CommandInstrumentor(LibraryInstrumentor):
    """Every console command becomes the root span of the work that it causes.

    Click and Typer commands, Django's management commands, and any other script or ``python -m``.
    ``instrument()`` without arguments does what ``opentelemetry-instrument`` does.
    """

    library: ClassVar[str] = "click"
    module: ClassVar[str] = "click.core"
    supported: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((8, 1), (9, 0))
    entry_point: ClassVar[str] = "jobspan_commands"
    contrib: ClassVar[str | None] = "opentelemetry.instrumentation.click"

    @property
    def sink(self) -> Sink | None:
        """Return where command events go; None while this is switched off."""
        return getattr(self, "_commands", None)

    def _instrument(self, **kwargs: Any) -> None:
        self._excluded = settings.load(kwargs).excluded_commands
        self._commands: Sink | None = None
        super()._instrument(**kwargs)
        self._join()

    def _uninstrument(self, **kwargs: Any) -> None:
        super()._uninstrument(**kwargs)
        self._commands = None

    @guarded
    def _join(self) -> None:
        sink = self._termination()
        ScriptHooks(sink, self._excluded).install(self._patches)
        LongRunningPrograms(sink).install(self._patches)
        ProgramHooks(sink).install(self._patches)
        when_imported("jobspan.manual_command", self._hook_by_hand, self._patches)
        when_imported("typer.core", self._hook_typer, self._patches)
        when_imported("django.core.management.base", self._hook_django, self._patches)

    def _silence_contrib(self, module: ModuleType, patches: Patches) -> None:
        from jobspan.instrumentors.commands.contrib import ContribClick

        ContribClick(module, patches)

    def _hook(self, module: ModuleType, sink: Sink, patches: Patches) -> None:
        from jobspan.instrumentors.commands.click import ClickHooks

        ClickHooks(self._termination(), self._excluded).install(module, patches)

    @guarded
    def _hook_by_hand(self, _: ModuleType) -> None:
        from jobspan.instrumentors.commands.manual import HandHooks

        HandHooks(self._termination()).install(self._patches)

    @guarded
    def _hook_typer(self, module: ModuleType) -> None:
        from jobspan.instrumentors.commands.click import ClickHooks

        ClickHooks(self._termination(), self._excluded).install_typer(module, self._patches)

    @guarded
    def _hook_django(self, module: ModuleType) -> None:
        from jobspan.instrumentors.commands.django import DjangoHooks

        hooks = DjangoHooks(self._termination(), self._excluded)
        self._patches.wrap(module.BaseCommand, "run_from_argv", hooks.run_from_argv)
        self._patches.wrap(module.BaseCommand, "execute", hooks.execute)

    def _termination(self) -> Sink:
        """Return the sink of all hooks, made once."""
        if self._commands is None:
            termination = Termination(self._sink)
            self._patches.on_undo(termination.forget)
            self._commands = termination
        return self._commands
