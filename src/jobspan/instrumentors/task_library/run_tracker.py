"""The runs that are under way in this process, each ended once, and which of them is whose."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from jobspan.events import RunWithoutSpan


class OpenRun(ABC):
    """One run under way, and the key of its events.

    A library's own run adds what its end depends on. It keeps no reference to a message, which holds the job's
    arguments.

    Attributes:
        outer: the run that it is inside, where a broker does its jobs at once.
        unsampled: what ends it where no event of it is recorded; None: its end is recorded.
        is_ended: no end is to be recorded any more.
    """

    outer: OpenRun | None = None
    unsampled: RunWithoutSpan | None = None
    is_ended = False

    def leave_unrecorded(self, unsampled: RunWithoutSpan) -> None:
        """Have no event of it recorded: its end is the end of ``unsampled``."""
        self.is_ended, self.unsampled = True, unsampled

    def end(self) -> None:
        """Note that its end is recorded; end it where no event is."""
        self.is_ended = True
        if self.unsampled is not None:
            self.unsampled.end()
            self.unsampled = None

    @property
    def is_open(self) -> bool:
        """Say whether its end is still to come."""
        return not self.is_ended or self.unsampled is not None

    @abstractmethod
    def is_of(self, delivery: Any) -> bool:
        """Say whether this is the run of what the library delivered, the very object."""


R = TypeVar("R", bound=OpenRun)


class OpenRuns(Generic[R]):
    """The innermost run of each thread."""

    def __init__(self) -> None:
        self._by_thread: dict[int, R] = {}

    @property
    def are_open(self) -> bool:
        """Say whether any thread is in a run."""
        return any(run.is_open for run in list(self._by_thread.values()))

    def current(self) -> R | None:
        """Return the run that this thread is in; None when it is in none, or its end is recorded."""
        run = self._by_thread.get(threading.get_ident())
        return None if run is None or (run.is_ended and run.unsampled is None) else run

    def of(self, delivery: Any) -> R | None:
        """Return this thread's run of a delivery, also one whose end is recorded; None when it has not begun here."""
        run = self._by_thread.get(threading.get_ident())
        return run if run is not None and run.is_of(delivery) else None

    def add(self, run: R) -> None:
        """Make a run this thread's."""
        run.outer = self.current()
        self._by_thread[threading.get_ident()] = run

    def end(self, run: R) -> None:
        """End a run. It is remembered until the next begins: a library may report an end twice."""
        run.end()
        if run.outer is not None:
            self._by_thread[threading.get_ident()] = run.outer  # type: ignore[assignment]  # of the same library
