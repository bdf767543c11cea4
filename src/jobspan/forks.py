"""What is done around a fork of this process, in one order whatever was imported first.

A part joins by its name in ``ORDER`` when it is imported. CPython runs handlers of forks as they were registered, which
with lazy imports is an order that no reader can see: so only this file registers any.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from jobspan.named_tuple import NamedTuple

ORDER = (
    "resident memory",  # the parent's open descriptor
    "dropped counts",
    "flush",  # before all that may flush: its lock may be held, and its thread is the parent's
    "flight log",
    "active runs",
    "process counts",
    "metrics",
    "lazy parts",  # its lock is taken last before a fork and is free first after it: the steps below may make a part
    "trace limits",
    "open spans",  # before the open commands: it empties the table that they then put the parent's command into
    "open commands",
    "child processes",
    "termination",
    "ids",
    "open batches",
    "program command",  # below both that look for the newest command before a fork: it may put one back first
    "high-water mark",
    "sampler",
    "run costs",
    "exports",  # last: the gate is closed first and opens last, so that nothing is exported around the other steps
)
"""After a fork the steps run in this order, before it from the last to the first: what is taken last is free first."""

Step = Callable[[], object]


class _Joined(NamedTuple):
    before: Step | None
    in_parent: Step | None
    in_child: Step | None


_joined: dict[str, _Joined] = {}
_report: Callable[[BaseException], object] | None = None


def join(name: str, *, before: Step | None = None, in_parent: Step | None = None, in_child: Step | None = None) -> None:
    """Have steps done around every fork from now on.

    Args:
        name: the part's place in ``ORDER``.
        before: done in the parent before it forks.
        in_parent: done in the parent afterwards.
        in_child: done in the child, before the application's first line there.

    Raises:
        ValueError: ``ORDER`` has no such name.
    """
    if name not in ORDER:
        message = f"no step of a fork is named {name!r}; expected one of {', '.join(ORDER)}: add it where it belongs"
        raise ValueError(message)
    _joined[name] = _Joined(before, in_parent, in_child)


def report_errors_to(report: Callable[[BaseException], object]) -> None:
    """Call this with what a step raised, when all steps are done."""
    global _report  # noqa: PLW0603 - one a process
    _report = report


def _before() -> None:
    _run(_joined[name].before for name in reversed(ORDER) if name in _joined)


def _in_parent() -> None:
    _run(_joined[name].in_parent for name in ORDER if name in _joined)


def _in_child() -> None:
    _run(_joined[name].in_child for name in ORDER if name in _joined)


def _run(steps: Iterable[Step | None]) -> None:
    """Do all steps, whatever one of them raises, or the application's signal handlers between them."""
    left = [step for step in steps if step is not None]
    errors: list[BaseException] = []
    left.reverse()
    while left:
        try:
            while left:
                left.pop()()
        except BaseException as error:  # noqa: BLE001 - CPython would drop it as well, and print it
            errors.append(error)
    # Not at once: a child counts from zero, and would forget an error that was counted before that step.
    for raised in errors:
        if _report is None:
            raise raised  # CPython prints it
        _report(raised)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
