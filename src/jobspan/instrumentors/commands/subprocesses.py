"""Programs that a command or a job starts → what is added to their environment, so that their jobs are its children.

The processes of ``multiprocessing`` that are not forked get it beside that library's own data.
Nothing is set in ``os.environ``: it belongs to all threads, and what is set there while another one reads it in C may
crash the process. What is started by ``os.system`` and ``os.exec*`` gets nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from jobspan.events import ProcessJoined, ProgramReplaced, ProgramStarted, Sink
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported
from jobspan.recording.context.propagation import of_environment
from jobspan.recording.sdk.flush import flush_and_leave
from jobspan.recording.spans import child_processes
from jobspan.recording.spans.child_processes import inherited_by_child, join_parent

_TRACEPARENT = "TRACEPARENT"
_CARRIER, _PARENT = "jobspan", "jobspan-parent"
_ENV_AT = 10
"""Where ``env`` is among the positional arguments of ``Popen``."""


class ProgramHooks:
    """Hands the current command or job to every program started by ``subprocess.Popen``, asyncio's too."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def install(self, patches: Patches) -> None:
        """Wrap the start of programs."""

        def patch(module: ModuleType) -> None:
            patches.wrap(module.Popen, "__init__", self.started)

        def patch_process(module: ModuleType) -> None:
            patches.wrap(module.BaseProcess, "_bootstrap", self.ended)

        def patch_spawn(module: ModuleType) -> None:
            patches.wrap(module, "get_preparation_data", self.prepared)
            patches.wrap(module, "prepare", self.joined)

        when_imported("subprocess", patch, patches)
        when_imported("multiprocessing.spawn", patch_spawn, patches)
        when_imported("multiprocessing.process", patch_process, patches)
        # All others of their kind end in one of these.
        for name in ("execv", "execve"):
            patches.wrap(os, name, self.replaced)

    def started(self, wrapped: Callable[..., Any], popen: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``Popen``."""
        if len(args) <= _ENV_AT:
            environ = self._environment(kwargs.get("env"))
            if environ is not None:
                kwargs = {**kwargs, "env": environ}
        return wrapped(*args, **kwargs)

    def replaced(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``os.exec*``: nothing of this program runs after it, no exit handler either."""
        self._replaced(args[0] if args else kwargs.get("path"))
        return wrapped(*args, **kwargs)

    def prepared(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap the making of the data for a process that is about to be spawned, by itself or from a fork server."""
        data = wrapped(*args, **kwargs)
        self._add_carrier(data)
        return data

    def joined(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap the reading of that in the new process."""
        self._join(args[0] if args else kwargs.get("data"))
        return wrapped(*args, **kwargs)

    def ended(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap all that such a process does: it leaves without its exit handlers."""
        code = wrapped(*args, **kwargs)
        _send()
        return code

    @guarded
    def _add_carrier(self, data: dict[str, Any]) -> None:
        carrier: dict[str, str] = {}
        self._sink(ProgramStarted(carrier))
        if carrier:
            data[_CARRIER], data[_PARENT] = carrier, inherited_by_child()

    @guarded
    def _join(self, data: Any) -> None:
        carrier = data.get(_CARRIER)
        if carrier is not None:
            join_parent(data.get(_PARENT, {}))
            self._sink(ProcessJoined(of_environment(carrier)))

    @guarded
    def _replaced(self, path: Any) -> None:
        # What is looked for in each folder of PATH is not there in most of them: then this program goes on.
        if os.access(path, os.X_OK):
            self._sink(ProgramReplaced())

    @guarded
    def _environment(self, given: Mapping[Any, Any] | None) -> dict[Any, Any] | None:
        """Return the environment with what is added; None where it is to stay what its caller made it."""
        if given is not None and not _is_inherited(given):
            return None
        carrier: dict[str, str] = {}
        self._sink(ProgramStarted(carrier))
        return {**(os.environ if given is None else given), **carrier} if carrier else None


@guarded
def _send() -> None:
    if child_processes.has_published:
        flush_and_leave()


def _is_inherited(environ: Mapping[Any, Any]) -> bool:
    """Say whether an environment is this process's with changes; one made from nothing is left as it is."""
    return environ.get("PATH") == os.environ.get("PATH") and environ.get(_TRACEPARENT) == os.environ.get(_TRACEPARENT)
