"""Click's two steps of a command → command events.

``main`` knows the beginning and the true end: every way out of a command passes it, as an exit code or an exception.
``invoke`` knows the command's full path, and so whether it is a command at all. The span begins there, with the
time of ``main``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from click.exceptions import Exit

from jobspan.events import CommandFinished, CommandStarted, Sink
from jobspan.instrumentors.commands.daemons import is_excluded
from jobspan.instrumentors.guard import guarded

_CARRIED = ("traceparent", "tracestate", "baggage")


class _Main:
    """One ``main`` under way."""

    __slots__ = ("asked_code", "began_ns", "is_told")

    def __init__(self) -> None:
        self.began_ns = time.time_ns()
        self.is_told = False
        self.asked_code = 0


_current: ContextVar[_Main | None] = ContextVar("jobspan_click_main", default=None)


class ClickHooks:
    """Tells the sink of every Click command of this process."""

    def __init__(self, sink: Sink, excluded: tuple[str, ...] = ()) -> None:
        self._sink = sink
        self._excluded = excluded

    def main(self, wrapped: Callable[..., Any], command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``Command.main``."""
        main = _Main()
        token = _current.set(main)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self._ended(main, error)
            raise
        finally:
            _current.reset(token)
        self._ended(main, None)
        return result

    def invoke(self, wrapped: Callable[..., Any], command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``Command.invoke``: a command's body, or a group's before its subcommand."""
        self._invoked(args[0] if args else kwargs.get("ctx"))
        try:
            return wrapped(*args, **kwargs)
        except Exit as asked:
            # Outside standalone mode main() answers with the code instead of leaving with it.
            self._asked(asked.exit_code)
            raise

    @guarded
    def _invoked(self, ctx: Any) -> None:
        main = _current.get()
        if main is None or main.is_told or ctx is None or ctx.invoked_subcommand is not None:
            return
        path = command_path(ctx)
        if is_excluded(path, self._excluded):
            return
        main.is_told = True
        self._sink(CommandStarted(main, path, _environment(), main.began_ns))

    @guarded
    def _asked(self, code: int) -> None:
        main = _current.get()
        if main is not None:
            main.asked_code = code

    @guarded
    def _ended(self, main: _Main, error: BaseException | None) -> None:
        if not main.is_told:
            return
        code = exit_code(error) if error is not None else main.asked_code
        told = None if isinstance(error, SystemExit) or code == 0 else error
        self._sink(CommandFinished(main, code, told, time.time_ns()))


def command_path(ctx: Any) -> str:
    """Return the path of names that was typed, without folders, arguments and options: ``mytool users import``."""
    names: list[str] = []
    while ctx is not None:
        names.append(ctx.info_name or ctx.command.name or "")
        ctx = ctx.parent
    names[-1] = os.path.basename(names[-1])  # noqa: PTH119 - a name, maybe "python -m package", not a path to open
    return " ".join(reversed([name for name in names if name]))


def exit_code(error: BaseException | None) -> int:
    """Return the exit status that the interpreter makes of how ``main`` ended."""
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        found = getattr(error, "exit_code", None)
        return found if isinstance(found, int) else 1
    if error.code is None:
        return 0
    return error.code if isinstance(error.code, int) else 1


def _environment() -> dict[str, str]:
    found = {name: os.environ.get(name.upper()) for name in _CARRIED}
    return {name: value for name, value in found.items() if value}
