"""What a user chooses for one job, by a decorator, or for one call, by a block around it.

Nothing of OpenTelemetry and of the task libraries is imported here, and nothing happens where nothing is instrumented.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from jobspan.named_tuple import NamedTuple

_logger = logging.getLogger("jobspan.options")
_MARK = "_jobspan_options"
_are_any = [False]
"""Whether anything was marked in this process: most have nothing to look for on each job."""

NESTED = "child+link"
RELATIONS = (NESTED, "link", "none")

T = TypeVar("T")


class JobOptions(NamedTuple):
    """What was chosen; None: nothing was."""

    trace: bool | None = None
    memory: bool | None = None
    args: bool | None = None
    relation: str | None = None

    def over(self, other: JobOptions) -> JobOptions:
        """Return these, and where they say nothing, the others."""
        if self == NOTHING:
            return other
        if other == NOTHING:
            return self
        given = {name: value for name, value in self._asdict().items() if value is not None}
        return other._replace(**given)


NOTHING = JobOptions()


class _Block(NamedTuple):
    chosen: JobOptions
    outer: _Block | None


_block: ContextVar[_Block | None] = ContextVar("jobspan_options", default=None)


class Choice:
    """What ``jobspan.options`` returns: a decorator, and a context manager that may be used again and nested."""

    def __init__(self, chosen: JobOptions) -> None:
        self._chosen = chosen

    def __call__(self, job: T) -> T:
        """Mark a task, an actor or the function of one, and return it as it is."""
        # A task of Celery's that is not made yet would be made too early by being marked: it calls this when it is.
        then: Callable[..., None] | None = getattr(type(job), "__then__", None)
        if then is not None:
            then(job, _mark, job, self._chosen)
        else:
            _mark(job, self._chosen)
        return job

    def __enter__(self) -> None:
        outer = _block.get()
        _block.set(_Block(self._chosen if outer is None else self._chosen.over(outer.chosen), outer))

    def __exit__(self, *_: object) -> None:
        block = _block.get()
        _block.set(None if block is None else block.outer)


def options(
    *, trace: bool | None = None, memory: bool | None = None, args: bool | None = None, relation: str | None = None
) -> Choice:
    """Choose how jobs are recorded: ``@jobspan.options(...)`` on a job, ``with jobspan.options(...):`` around calls.

    On a job it goes above or below ``@app.task`` and ``@dramatiq.actor``. A block is for what is published inside
    it, and goes before what is set on the job. What is not given stays as it is set elsewhere.

    Args:
        trace: False: neither publish nor run get a span. Context and command still travel to what the job publishes.
        memory: False: no memory figures.
        args: True: ``jobspan.job.args`` and ``.kwargs``, redacted and cut.
        relation: ``child+link``, ``link`` or ``none``, see ``OTEL_PYTHON_JOBSPAN_RELATION``.
    """
    if relation is not None and relation not in RELATIONS:
        _logger.warning("relation=%r is not understood: expected one of %s; ignored", relation, ", ".join(RELATIONS))
        relation = None
    return Choice(JobOptions(trace, memory, args, relation))


def chosen_for(*marked: Any) -> JobOptions:
    """Return the options set on a job: on its task or actor first, then on its function."""
    found = NOTHING
    if not _are_any[0]:
        return found
    for target in marked:
        mark = getattr(target, _MARK, None)
        if isinstance(mark, JobOptions):
            found = found.over(mark)
    return found


def chosen_around() -> JobOptions:
    """Return what the blocks around the running code say."""
    block = _block.get()
    return NOTHING if block is None else block.chosen


def _mark(job: Any, chosen: JobOptions) -> None:
    try:
        setattr(job, _MARK, chosen.over(chosen_for(job)))
        _are_any[0] = True
    except (AttributeError, TypeError):
        _logger.warning("%r takes no jobspan.options: put them on a function, a task or an actor", job)
