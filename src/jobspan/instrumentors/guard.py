"""The guard around every hook: none raises into a job or a publish, and one that an interrupt lands in is done again.

Interrupts are what is raised from outside at any line: Celery's soft time limits, Dramatiq's limits and shutdowns.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from jobspan.recording.safety import dropped
from jobspan.recording.safety.interrupts import is_interrupt

F = TypeVar("F", bound=Callable[..., Any])

raises = False
"""Unit tests set this, so that an error in a hook is an error of the test."""


def swallow(hook: Callable[..., Any], error: Exception) -> bool:
    """Count and log once what a hook raised; False for an interrupt, which is to go on.

    For the hooks of every job, which catch for themselves: to be wrapped costs them as much as they do.
    """
    if raises or is_interrupt(error):
        return False
    _swallow(hook, error)
    return True


def guarded(hook: F) -> F:
    """Wrap a hook: an exception in it is counted and logged once, and the hook answers None."""

    @functools.wraps(hook)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return hook(*args, **kwargs)
        except Exception as error:
            if raises or is_interrupt(error):
                raise
            _swallow(hook, error)

    return call  # type: ignore[return-value]  # same signature as the hook


def redo_on_interrupt(hook: F) -> F:
    """Guard a hook, and call it again when an interrupt landed in it, then raise the interrupt.

    Time limits, shutdowns and aborts are raised from outside in the thread of a job, at any line, also at one of a
    hook. They come singly, so the second call is not interrupted. The hook must be able to run twice.
    """
    safe = guarded(hook)

    @functools.wraps(hook)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return hook(*args, **kwargs)
        except BaseException as error:
            if not is_interrupt(error):
                if raises:
                    raise
                _swallow(hook, error)
                return None
            interrupt = error
        # Outside the except block: hooks look at sys.exc_info() for how a run ended.
        safe(*args, **kwargs)
        try:
            raise interrupt
        finally:
            del interrupt  # its traceback has this frame, whose arguments it would keep until garbage is collected

    return call  # type: ignore[return-value]  # same signature as the hook


def hide_this_frame(error: BaseException) -> None:
    """Take the frame that calls this, a wrapper, off the traceback of what it is about to raise again.

    Python 3.10 puts it back. What was raised in the wrapper itself keeps it: time limits are.
    """
    trace = error.__traceback__
    if trace is None or trace.tb_next is None:
        return
    if str(trace.tb_frame.f_globals.get("__name__")).startswith("jobspan.instrumentors."):
        BaseException.with_traceback(error, trace.tb_next)  # its attributes may be frozen


def _swallow(hook: Callable[..., Any], error: BaseException) -> None:
    dropped.count(f"{dropped.HOOK_ERROR}:{hook.__name__}", repr(error), error=error)
