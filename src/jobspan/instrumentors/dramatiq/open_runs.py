"""The runs that are open in this process's worker threads, by thread: the innermost last."""

from __future__ import annotations

import threading
from typing import Any

from jobspan.events import RunWithoutSpan
from jobspan.instrumentors.dramatiq.mapping import message_behind


class Run:
    """One run under way: whether its message was put back on the queue, and with what delay; the key of its events.

    It keeps no reference to the message, which holds the job's arguments.
    """

    __slots__ = (
        "delay_s",
        "ends_group",
        "is_back",
        "is_told",
        "message_id",
        "next_id",
        "outer",
        "passing",
        "proxy_id",
    )

    def __init__(self, message: Any, outer: Run | None) -> None:
        plain = message_behind(message)
        options = plain.options
        self.message_id: str = plain.message_id
        self.proxy_id = id(message)
        target = options.get("pipe_target")
        self.next_id: str | None = target.get("message_id") if isinstance(target, dict) else None
        callbacks = options.get("group_completion_callbacks")
        self.ends_group = _NONE if callbacks is None else _ids(callbacks)
        self.outer = outer
        self.is_told = False
        self.is_back = False
        self.delay_s: float | None = None
        self.passing: RunWithoutSpan | None = None

    def is_of(self, message: Any) -> bool:
        """Say whether this is the run of a delivered message, the very object."""
        return self.proxy_id == id(message) and self.message_id == message_behind(message).message_id

    def continues_with(self, message: Any) -> bool:
        """Say whether a message carries on this run's workflow: again, its next step, or what follows its group."""
        key = message.message_id
        return key in (self.message_id, self.next_id) or key in self.ends_group

    def put_back(self, delay_ms: int | None) -> None:
        """Note that the message is on the queue again."""
        self.is_back, self.delay_s = True, None if delay_ms is None else delay_ms / 1000


class Runs:
    """The innermost run of each thread; a run inside a run is a broker that does its jobs at once."""

    def __init__(self) -> None:
        self._by_thread: dict[int, Run] = {}

    @property
    def are_open(self) -> bool:
        """Say whether any thread is in a run."""
        return any(not run.is_told or run.passing is not None for run in list(self._by_thread.values()))

    def current(self) -> Run | None:
        """Return the run that this thread is in; None when it is in none, or has told its end."""
        run = self._by_thread.get(threading.get_ident())
        return None if run is None or (run.is_told and run.passing is None) else run

    def of(self, message: Any) -> Run | None:
        """Return this thread's run of a message, also one whose end is told; None when it has not begun here."""
        run = self._by_thread.get(threading.get_ident())
        return run if run is not None and run.is_of(message) else None

    def begin(self, message: Any, passing: RunWithoutSpan | None) -> Run:
        """Return a run of a message, begun now; of one that nobody records there is nothing to tell at its end."""
        run = Run(message, self.current())
        run.is_told, run.passing = passing is not None, passing
        self._by_thread[threading.get_ident()] = run
        return run

    def end(self, run: Run) -> None:
        """Note that the end of a run is told. It is remembered until the next begins: Dramatiq may tell it twice."""
        run.is_told = True
        if run.passing is not None:
            run.passing.end()
            run.passing = None
        if run.outer is not None:
            self._by_thread[threading.get_ident()] = run.outer


_NONE: frozenset[str] = frozenset()


def _ids(callbacks: Any) -> frozenset[str]:
    if not isinstance(callbacks, (list, tuple)):
        return _NONE
    return frozenset(message["message_id"] for message in callbacks if isinstance(message, dict))
