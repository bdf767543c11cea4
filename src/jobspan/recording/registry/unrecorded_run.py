"""The job that runs unrecorded: what is known of it is for ``current_job``, and worked out there."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from weakref import ref

from jobspan.jobs import Job


class UnrecordedRun:
    """A run of which no event is reported.

    It is made, kept by the hook that is to end it, and only then begun: an interrupt may land between any two lines.
    Without a reference left, as where the instrumentation was switched off meanwhile, it is no longer the current one.
    """

    __slots__ = ("__weakref__", "_job", "_outer")

    def __init__(self, job: Callable[[], Job]) -> None:
        self._job: Callable[[], Job] | None = job
        self._outer = _current.get()

    def begin(self) -> None:
        """Be the job that runs here."""
        _current.set(ref(self))

    def end(self) -> None:
        """Release it, and what it was called with."""
        self._job = None
        _current.set(self._outer)

    def job(self) -> Job | None:
        """Return its job; None when it has ended."""
        return None if self._job is None else self._job()


_current: ContextVar[ref[UnrecordedRun] | None] = ContextVar("jobspan_unrecorded", default=None)


def unrecorded_job() -> Job | None:
    """Return the job that this code runs in unrecorded."""
    known = _current.get()
    run = None if known is None else known()
    return None if run is None else run.job()
