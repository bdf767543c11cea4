"""Django's management commands → command events: those of a command line, and those that other code calls."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from jobspan.events import CommandFinished, CommandStarted, DaemonStarted, Sink
from jobspan.instrumentors.commands.exclusions import is_excluded
from jobspan.instrumentors.commands.exit_status import SCRIPT, error_to_record, exit_code, interrupt_of, surroundings
from jobspan.instrumentors.commands.script import program_name
from jobspan.instrumentors.guard import guarded, hide_this_frame

_PROGRAM = "manage.py"

_in_charge: ContextVar[bool] = ContextVar("jobspan-django-command-line", default=False)
"""The command line has recorded the command whose ``execute`` comes next."""

_is_testing: ContextVar[bool] = ContextVar("jobspan-django-test", default=False)
"""``manage.py test`` runs, and calls other commands to set up and to try them."""


class DjangoHooks:
    """Reports every management command of this process to the sink."""

    def __init__(self, sink: Sink, excluded: tuple[str, ...] = ()) -> None:
        self._sink = sink
        self._excluded = excluded

    def run_from_argv(
        self, wrapped: Callable[..., Any], command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Wrap ``BaseCommand.run_from_argv``, which leaves with the code of a ``CommandError``."""
        argv = args[0] if args else kwargs.get("argv")
        tokens = _in_charge.set(True), _is_testing.set(bool(_names_tests(argv)))
        try:
            return self._around(self._began(argv), wrapped, args, kwargs)
        except BaseException as error:
            hide_this_frame(error)
            raise
        finally:
            _in_charge.reset(tokens[0])
            _is_testing.reset(tokens[1])

    def execute(self, wrapped: Callable[..., Any], command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``BaseCommand.execute``: by way of ``call_command`` it is all that is run."""
        is_recorded = _in_charge.get()
        token = _in_charge.set(False)
        try:
            if is_recorded:
                return wrapped(*args, **kwargs)
            return self._around(self._called(command), wrapped, args, kwargs)
        except BaseException as error:
            hide_this_frame(error)
            raise
        finally:
            _in_charge.reset(token)

    def _around(self, key: object | None, wrapped: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self._ended(key, error)
            hide_this_frame(error)
            raise
        self._ended(key, None)
        return result

    @guarded
    def _began(self, argv: Any) -> object | None:
        path = _path(argv)
        if is_excluded(path, self._excluded) or _is_testing.get():
            self._sink(DaemonStarted())
            return None
        key = object()
        self._sink(
            CommandStarted(key, path, surroundings(), time.time_ns(), replaces=SCRIPT, arguments=[str(a) for a in argv])
        )
        return key

    @guarded
    def _called(self, command: Any) -> object | None:
        path = f"{_PROGRAM} {type(command).__module__.rpartition('.')[2]}"
        if is_excluded(path, self._excluded) or _is_testing.get():
            return None
        key = object()
        self._sink(CommandStarted(key, path, {}, time.time_ns(), is_process=False))
        return key

    @guarded
    def _ended(self, key: object | None, error: BaseException | None) -> None:
        if key is None:
            return
        number = interrupt_of(error)
        code = None if number else _code(error)
        self._sink(CommandFinished(key, code, error_to_record(error, code), time.time_ns(), signal=number))


@guarded
def _names_tests(argv: Any) -> bool:
    return list(argv[1:2]) == ["test"]


def _code(error: BaseException | None) -> int:
    """Return the exit code; others than ``CommandError`` have a ``returncode`` too, of a program that they called."""
    is_djangos = any(kind.__name__ == "CommandError" for kind in type(error).__mro__)
    found = getattr(error, "returncode", None) if is_djangos else None
    return found if isinstance(found, int) else exit_code(error)


def _path(argv: list[str]) -> str:
    program = os.path.basename(argv[0])  # noqa: PTH119 - a name, not a path to open
    if program == "__main__.py":
        program = program_name(argv, sys.orig_argv) or program
    return f"{program} {argv[1]}"
