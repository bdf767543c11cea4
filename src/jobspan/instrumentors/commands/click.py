"""Click's two steps of a command → command events, also of the Click inside Typer.

``main`` knows the beginning and the true end: every way out of a command passes it, as an exit code or an exception.
``invoke`` knows the path so far, and so whether it is a command at all. The span begins at the first of them, which is
the callback of a group or the command itself, with the time of ``main``; further ones complete its name.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

from jobspan.events import CommandFinished, CommandNamed, CommandStarted, DaemonStarted, Sink
from jobspan.instrumentors.commands.exclusions import is_excluded
from jobspan.instrumentors.commands.exit_status import SCRIPT, error_to_record, exit_code, interrupt_of, surroundings
from jobspan.instrumentors.guard import guarded, hide_this_frame
from jobspan.instrumentors.patches import Patches

_CHAIN = "*"


class _Main:
    """One ``main`` under way."""

    __slots__ = (
        "arguments",
        "asked_code",
        "began_ns",
        "command",
        "ctx",
        "is_at_leaf",
        "is_inner",
        "is_none",
        "is_process",
        "path",
    )

    def __init__(self, command: Any, given: Any, around: _Main | None) -> None:
        self.command = command
        self.is_inner = around is not None and around.path is not None
        self.ctx: Any = None
        self.began_ns = time.time_ns()
        self.path: str | None = None
        self.is_none = self.is_at_leaf = False
        self.asked_code = 0
        self.is_process = given is None
        self.arguments = sys.argv if given is None else ["", *map(str, given)]


_current: ContextVar[_Main | None] = ContextVar("jobspan_click_main", default=None)


class ClickHooks:
    """Reports every Click command of this process to the sink."""

    def __init__(self, sink: Sink, excluded: tuple[str, ...] = ()) -> None:
        self._sink = sink
        self._excluded = excluded

    def install(self, core: ModuleType, patches: Patches) -> None:
        """Wrap all commands of a ``click.core``."""
        patches.wrap(core.Command, "main", self.main)
        patches.wrap(core.Command, "invoke", self.invoke)

    def install_typer(self, core: ModuleType, patches: Patches) -> None:
        """Wrap Typer's own ``main``, and all commands of the Click that it brings (since 0.25)."""
        for kind in (core.TyperCommand, core.TyperGroup):
            if "main" in vars(kind):
                patches.wrap(kind, "main", self.main)
        vendored = getattr(core, "_click", None)
        if vendored is not None:
            self.install(vendored.core, patches)

    def main(self, wrapped: Callable[..., Any], command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``Command.main``."""
        around = _current.get()
        if around is not None and around.command is command and around.path is None:
            return wrapped(*args, **kwargs)  # a subclass calls its base's
        main = _Main(command, args[0] if args else kwargs.get("args"), around)
        token = _current.set(main)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            self._ended(main, error)
            hide_this_frame(error)
            raise
        finally:
            _current.reset(token)
        self._ended(main, None)
        return result

    def invoke(self, wrapped: Callable[..., Any], command: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``Command.invoke``: a command's body, or a group's before its subcommand."""
        self._invoked(args[0] if args else kwargs.get("ctx"))
        try:
            return wrapped(*args, **kwargs)
        except BaseException as error:
            # Outside standalone mode main() answers with the code of an Exit instead of leaving with it.
            if type(error).__name__ == "Exit":
                self._asked(getattr(error, "exit_code", 0))
            hide_this_frame(error)
            raise

    @guarded
    def _invoked(self, ctx: Any) -> None:
        main = _current.get()
        if main is None or ctx is None or main.is_none or main.ctx is ctx:
            return
        main.ctx = ctx
        is_link = _is_in_chain(ctx)
        if main.is_at_leaf and not is_link:
            return  # called by the command's own code
        path = f"{main.path} {name_of(ctx)}" if is_link and main.is_at_leaf else command_path(ctx)
        main.is_at_leaf = ctx.invoked_subcommand is None
        if is_excluded(path, self._excluded):
            main.is_none = True
            if not main.is_inner:
                self._sink(DaemonStarted())
        elif main.path is None:
            main.path = path
            self._sink(
                CommandStarted(
                    main,
                    path,
                    surroundings(),
                    main.began_ns,
                    is_process=main.is_process,
                    replaces=SCRIPT,
                    arguments=[main.arguments[0] or path.partition(" ")[0], *main.arguments[1:]],
                )
            )
        elif path != main.path:
            main.path = path
            self._sink(CommandNamed(main, path))

    @guarded
    def _asked(self, code: int) -> None:
        main = _current.get()
        if main is not None:
            main.asked_code = code

    @guarded
    def _ended(self, main: _Main, error: BaseException | None) -> None:
        if main.path is None:
            return
        number = interrupt_of(error)
        code = None if number else _code(error) if error is not None else main.asked_code
        self._sink(CommandFinished(main, code, error_to_record(error, code), time.time_ns(), signal=number))


def command_path(ctx: Any) -> str:
    """Return the path of names so far, without folders, arguments and options: ``mytool users import``."""
    names = [ctx.invoked_subcommand] if ctx.invoked_subcommand not in {None, _CHAIN} else []
    while ctx is not None:
        names.append(name_of(ctx))
        ctx = ctx.parent
    names[-1] = os.path.basename(names[-1])  # noqa: PTH119 - a name, maybe "python -m package", not a path to open
    return " ".join(reversed([name for name in names if name]))


def name_of(ctx: Any) -> str:
    """Return the name under which a group has a command; an alias that was typed only counts where it has none."""
    typed, parent = ctx.info_name or "", ctx.parent
    if parent is None or typed in (getattr(parent.command, "commands", None) or {}):
        return str(typed or ctx.command.name or "")
    return str(ctx.command.name or typed)


def _code(error: BaseException) -> int:
    """Return the exit code of what left ``main``; outside standalone mode Click's own exceptions carry one."""
    is_clicks = any(kind.__name__ in {"ClickException", "Exit"} for kind in type(error).__mro__)
    found = getattr(error, "exit_code", None) if is_clicks else None
    return found if isinstance(found, int) else exit_code(error)


def _is_in_chain(ctx: Any) -> bool:
    return ctx.parent is not None and bool(getattr(ctx.parent.command, "chain", False))
