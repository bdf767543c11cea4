"""The subcommands of a program that reads its arguments with argparse → the rest of its command path."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from jobspan.events import CommandNamed, DaemonStarted, Sink
from jobspan.instrumentors.commands.exclusions import is_excluded
from jobspan.instrumentors.commands.exit_status import SCRIPT
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported


class SubparserHooks:
    """Completes the name of the program's command, by the first of its arguments that are parsed.

    Args:
        sink: what takes the events.
        program: name so far.
        excluded: the user's list.
    """

    def __init__(self, sink: Sink, program: str, excluded: tuple[str, ...] = ()) -> None:
        self._sink = sink
        self._program = program
        self._excluded = excluded
        self._inside: list[str] = []
        self._is_known = False

    def install(self, patches: Patches) -> None:
        """Wrap the action that chooses a subparser."""

        @guarded
        def patch(module: ModuleType) -> None:
            patches.wrap(module._SubParsersAction, "__call__", self.chosen)  # noqa: SLF001 - it has no public name

        when_imported("argparse", patch, patches)

    def chosen(self, wrapped: Callable[..., Any], action: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap a choice; the choices of the chosen parser are made inside."""
        if self._is_known:
            return wrapped(*args, **kwargs)
        before = len(self._inside)
        self._begin(action, args)
        try:
            return wrapped(*args, **kwargs)
        finally:
            del self._inside[before:]
            self._is_known = not self._inside

    @guarded
    def _begin(self, action: Any, args: tuple[Any, ...]) -> None:
        typed = args[2][0]
        if typed not in sys.argv or threading.current_thread() is not threading.main_thread():
            return
        parsers = action.choices
        chosen = parsers.get(typed)
        if chosen is None:
            return
        # An alias comes after its name.
        self._inside.append(next(name for name, parser in parsers.items() if parser is chosen))
        path = " ".join((self._program, *self._inside))
        self._sink(DaemonStarted() if is_excluded(path, self._excluded) else CommandNamed(SCRIPT, path))
