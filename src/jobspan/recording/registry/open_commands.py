"""The commands that are open in this process, and what is known of each until it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Token

from opentelemetry import context as otel_context
from opentelemetry.context import Context, create_key
from opentelemetry.trace import Span, get_current_span, set_span_in_context

from jobspan import forks
from jobspan.recording.context.origin import ORIGIN, Origin
from jobspan.recording.context.trace_limits import AGE_LIMIT_NS
from jobspan.recording.registry import child_job_counts
from jobspan.recording.registry.open_spans import OpenSpans

_COMMAND = create_key("jobspan-command")


class OpenCommand:
    """A command under way, and how many jobs this process has published for it.

    ``outer`` is the command around it, whose jobs these are as well. ``is_process``: threads without a context of
    their own work for it. ``has_lent``: other processes know of it. ``is_elsewhere``: it is another process's to end.
    """

    __slots__ = (
        "_lock",
        "_thread",
        "_token",
        "failed_to_publish",
        "has_lent",
        "is_discarded",
        "is_elsewhere",
        "is_process",
        "is_used",
        "name",
        "origin",
        "outer",
        "published",
        "span",
        "started_ns",
    )

    def __init__(
        self, span: Span, name: str, origin: Origin, started_ns: int, outer: OpenCommand | None, *, is_process: bool
    ) -> None:
        self.span = span
        self.name = name
        self.origin = origin
        self.outer = outer
        self.started_ns = started_ns
        self.is_process = is_process
        self.is_used = self.is_discarded = self.has_lent = self.is_elsewhere = False
        self.published = self.failed_to_publish = 0
        self._lock = threading.RLock()
        self._thread = 0
        self._token: Token[Context] | None = None

    @property
    def is_current(self) -> bool:
        """Say whether what is called runs inside it."""
        return self._token is not None

    @property
    def is_in_job(self) -> bool:
        """Say whether a job of this process runs it."""
        return self.origin.run is not None

    def enter(self, context: Context) -> None:
        """Make it current on top of a context; once more when its origin has changed."""
        token = otel_context.attach(self.inside(context))
        if self._token is None:
            self._thread, self._token = threading.get_ident(), token

    def leave(self) -> None:
        """Make current again what was so before."""
        token, self._token = self._token, None
        # A thread that ends it and did not begin it ends the process too.
        if token is not None and self._thread == threading.get_ident():
            otel_context.detach(token)

    def inside(self, context: Context) -> Context:
        """Return a context in which it is the parent."""
        return otel_context.set_value(
            _COMMAND, self, otel_context.set_value(ORIGIN, self.origin, set_span_in_context(self.span, context))
        )

    def around(self, context: Context, at_ns: int) -> Context:
        """Return a context for work without one of its own.

        A program that runs for hours and is no parent of what it calls would collect all of it in one trace: after an
        hour its work begins traces of its own, and only says whose it is.
        """
        if self.is_current or at_ns - self.started_ns < AGE_LIMIT_NS:
            self.is_used = True
            return self.inside(context)
        origin = self.origin._replace(depth=0, trace_started_ns=None)
        return otel_context.set_value(_COMMAND, self, otel_context.set_value(ORIGIN, origin, context))

    def renew(self) -> None:
        """Begin anew after a fork: another thread may have held the lock."""
        self._lock = threading.RLock()
        if self.outer is not None:
            self.outer.renew()

    def count(self, published: int, failed: int) -> None:
        """Count publishes, for those around it as well."""
        if self.is_elsewhere:
            child_job_counts.count(published, failed)
            return
        with self._lock:
            self.is_used = True
            self.published += published
            self.failed_to_publish += failed
        if self.outer is not None:
            self.outer.count(published, failed)


@contextmanager
def apart() -> Iterator[None]:
    """Be in no command's context for a while; whoever is in another span than a command's stays in it."""
    context = otel_context.get_current()
    command = context.get(_COMMAND)
    is_inside = isinstance(command, OpenCommand) and get_current_span(context) is command.span
    token = otel_context.attach(Context()) if is_inside else None
    try:
        yield
    finally:
        if token is not None:
            otel_context.detach(token)


def command_of(context: Context) -> OpenCommand | None:
    """Return the innermost command of this process that a context is in."""
    found = context.get(_COMMAND)
    return found if isinstance(found, OpenCommand) and not found.is_discarded else None


# Shared by all recorders of a process: the command is one instrumentor's, the publishes are another's.
open_commands: OpenSpans[OpenCommand] = OpenSpans()


def newest_of_process() -> OpenCommand | None:
    """Return the command that the process is there for, the innermost; else the one that its parent works for."""
    if not open_commands:
        return None
    return next((command for command in reversed(_all()) if command.is_process), None)


def by_id(command_id: str) -> OpenCommand | None:
    """Return the outermost open command of an id."""
    return next((command for command in _all() if command.origin.command_id == command_id), None)


def forget_parent() -> None:
    """Have nothing to do with the command that this process was forked from."""
    open_commands.take(_OF_PARENT)


def work_for(command: OpenCommand) -> None:
    """Be a process of a command that another one runs, and ends."""
    command.is_elsewhere = True
    open_commands.add(_OF_PARENT, command)


_OF_PARENT = "jobspan-parent"
_before_fork: list[OpenCommand | None] = []


def _remember() -> None:
    command = newest_of_process()
    if command is not None:
        command.has_lent = True
    _before_fork[:] = [command]


def _inherit() -> None:
    # It is the parent's to end; what this process publishes belongs to the command all the same.
    command = _before_fork[0]
    if command is not None:
        command.renew()
        work_for(command)


forks.join("open commands", before=_remember, in_child=_inherit)


def _all() -> list[OpenCommand]:
    return [command for command in open_commands.all() if not command.is_discarded]
