"""Programs that a command or a job starts → what is added to their environment, so that theirs are its children.

Nothing is set in ``os.environ``: it belongs to all threads, and what is set there while another one reads it in C may
crash the process. What is started by ``os.system`` and ``os.exec*`` is told nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from jobspan.events import ProgramReplaced, ProgramStarted, Sink
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported

_TRACEPARENT = "TRACEPARENT"
_ENV_AT = 10
"""Where ``env`` is among the positional arguments of ``Popen``."""


class ProgramHooks:
    """Asks the sink what a program is to be told, for every ``subprocess.Popen``, asyncio's too."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def install(self, patches: Patches) -> None:
        """Stand around the start of programs."""

        def patch(module: ModuleType) -> None:
            patches.wrap(module.Popen, "__init__", self.started)

        when_imported("subprocess", patch, patches)
        # All others of their kind end in one of these.
        for name in ("execv", "execve"):
            patches.wrap(os, name, self.replaced)

    def started(self, wrapped: Callable[..., Any], popen: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``Popen``."""
        if len(args) <= _ENV_AT:
            environ = self._environment(kwargs.get("env"))
            if environ is not None:
                kwargs = {**kwargs, "env": environ}
        return wrapped(*args, **kwargs)

    def replaced(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``os.exec*``: nothing of this program runs after it, no exit handler either."""
        self._replaced(args[0] if args else kwargs.get("path"))
        return wrapped(*args, **kwargs)

    @guarded
    def _replaced(self, path: Any) -> None:
        # What is looked for in each folder of PATH is not there in most of them: then this program goes on.
        if os.access(path, os.X_OK):
            self._sink(ProgramReplaced())

    @guarded
    def _environment(self, given: Mapping[Any, Any] | None) -> dict[Any, Any] | None:
        """Return the environment with what is added; None where it is to stay what its caller made it."""
        if given is not None and not _is_like_ours(given):
            return None
        carrier: dict[str, str] = {}
        self._sink(ProgramStarted(carrier))
        return {**(os.environ if given is None else given), **carrier} if carrier else None


def _is_like_ours(environ: Mapping[Any, Any]) -> bool:
    """Say whether an environment is ours with changes: one that was made from nothing is somebody's intent."""
    return environ.get("PATH") == os.environ.get("PATH") and environ.get(_TRACEPARENT) == os.environ.get(_TRACEPARENT)
