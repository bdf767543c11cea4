"""Plain scripts, ``python -m`` and console scripts → one command event pair for the whole program.

The program is never current, for it may be a server: it is the parent of publishes that have no other. How it leaves is
pieced together at exit: Python announces no ``SystemExit``, but ``sys.exit`` was called with a code, an uncaught
exception is kept as ``sys.last_value``, and ``__main__`` has lost its ``__file__`` if its last line was passed.
"""

from __future__ import annotations

import atexit
import builtins
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from jobspan.events import CommandFinished, CommandStarted, Sink
from jobspan.instrumentors.commands.exclusions import is_excluded_program
from jobspan.instrumentors.commands.exit_status import SCRIPT, code_of, exit_code, interrupt_of, surroundings
from jobspan.instrumentors.commands.subparsers import SubparserHooks
from jobspan.instrumentors.guard import guarded, hide_this_frame
from jobspan.instrumentors.patches import Patches

_WITH_VALUE = frozenset("WX")
_ARCHIVES = (".zip", ".pyz", ".pex")
_UNKNOWN = object()


class ScriptHooks:
    """Reports the program that this process runs, unless it is none that ends to the sink."""

    def __init__(self, sink: Sink, excluded: tuple[str, ...] = ()) -> None:
        self._sink = sink
        self._excluded = excluded
        self._pid = os.getpid()
        self._asked: object = _UNKNOWN
        self._error: BaseException | None = None
        self._shown_before: BaseException | None = None
        self._is_module = False

    @guarded
    def install(self, patches: Patches) -> None:
        """Begin the program's command now; its end is recorded at exit."""
        name = program_name(sys.argv, sys.orig_argv)
        if name is None or is_excluded_program(name, self._excluded):
            return
        patches.wrap(sys, "exit", self._exit)
        if hasattr(builtins, "exit"):
            patches.wrap(type(builtins.exit), "__call__", self._exit)
        if _is_run_by_runpy(sys.argv):
            import runpy

            patches.wrap(runpy, "_run_code", self._run_code)
        SubparserHooks(self._sink, name, self._excluded).install(patches)
        atexit.register(self._at_exit)
        patches.on_undo(self._forget)
        self._sink(
            CommandStarted(
                SCRIPT, name, surroundings(), time.time_ns(), is_current=False, arguments=[name, *sys.argv[1:]]
            )
        )

    def _exit(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if threading.current_thread() is threading.main_thread():
            self._asked = args[0] if args else next(iter(kwargs.values()), None)
            self._shown_before = uncaught()
        return wrapped(*args, **kwargs)

    def _run_code(self, wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap the code of a module that is run as the program: here its end is seen as it is."""
        if self._is_module:
            return wrapped(*args, **kwargs)
        self._is_module = True
        try:
            result = wrapped(*args, **kwargs)
        except SystemExit as leaving:
            self._asked = leaving.code
            hide_this_frame(leaving)
            raise
        except BaseException as error:
            self._error = error
            hide_this_frame(error)
            raise
        self._asked = None
        return result

    def _forget(self) -> None:
        atexit.unregister(self._at_exit)
        self._sink(CommandFinished(SCRIPT, None, None, time.time_ns()))

    @guarded
    def _at_exit(self) -> None:
        if os.getpid() != self._pid:
            return  # a fork that leaves like its parent
        error = self._error or self._uncaught()
        number = interrupt_of(error)
        code = None if number else exit_code(error) if error is not None else self._code()
        self._sink(CommandFinished(SCRIPT, code, error, time.time_ns(), signal=number))

    def _uncaught(self) -> BaseException | None:
        """Return what ended the program; what a prompt inside it has shown before did not."""
        error = uncaught()
        return None if error is self._shown_before else error

    def _code(self) -> int | None:
        if not self._is_module and has_passed_its_last_line():
            return 0
        return None if self._asked is _UNKNOWN else code_of(self._asked)


def program_name(argv: list[str], original: list[str]) -> str | None:
    """Return what was started: ``import_users.py``, ``mytool``, ``python -m pkg``; None for a prompt or ``-c``."""
    if sys.flags.interactive or not argv or argv[0] in {"", "-", "-c"}:
        return None
    module = _module_of(original)
    if module is not None:
        return f"python -m {module}"
    return os.path.basename(argv[0].rstrip(os.sep)) or None  # noqa: PTH119 - a name, not a path to open


def uncaught() -> BaseException | None:
    """Return the exception that ended the program, once the interpreter has shown it."""
    found = getattr(sys, "last_value", None)
    return found if isinstance(found, BaseException) else None


def has_passed_its_last_line() -> bool:
    """Say whether a script ended by itself; the interpreter takes ``__file__`` away only then (3.10 to 3.13)."""
    return not hasattr(sys.modules.get("__main__"), "__file__")


def _is_run_by_runpy(argv: list[str]) -> bool:
    return argv[0] == "-m" or argv[0].endswith(_ARCHIVES) or os.path.isdir(argv[0])  # noqa: PTH112 - once, at start


def _module_of(original: list[str]) -> str | None:
    """Return the module of ``python -m``, from the command line that the interpreter was given."""
    rest = iter(original[1:])
    for argument in rest:
        if not argument.startswith("-") or argument == "-" or argument.startswith("--"):
            return None
        for place, letter in enumerate(argument[1:], 2):
            value = argument[place:] or None
            if letter == "m":
                return value or next(rest, None)
            if letter == "c":
                return None
            if letter in _WITH_VALUE:
                if value is None:
                    next(rest, None)
                break
    return None
