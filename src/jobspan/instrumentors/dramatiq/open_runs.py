"""A run of a message that is under way in a worker thread, and what its end depends on."""

from __future__ import annotations

from typing import Any

from jobspan.instrumentors.dramatiq.mapping import message_behind
from jobspan.instrumentors.task_library.run_tracker import OpenRun


class Run(OpenRun):
    """One run under way: whether its message was put back on the queue, and with what delay.

    It keeps no reference to the message, which holds the job's arguments.
    """

    def __init__(self, message: Any) -> None:
        plain = message_behind(message)
        options = plain.options
        self.message_id: str = plain.message_id
        self.proxy_id = id(message)
        target = options.get("pipe_target")
        self.next_id: str | None = target.get("message_id") if isinstance(target, dict) else None
        callbacks = options.get("group_completion_callbacks")
        self.ends_group = _NONE if callbacks is None else _ids(callbacks)
        self.is_back = False
        self.delay_s: float | None = None

    def is_of(self, delivery: Any) -> bool:
        """Say whether this is the run of a delivered message, the very object."""
        return self.proxy_id == id(delivery) and self.message_id == message_behind(delivery).message_id

    def continues_with(self, message: Any) -> bool:
        """Say whether a message carries on this run's workflow: again, its next step, or what follows its group."""
        key = message.message_id
        return key in (self.message_id, self.next_id) or key in self.ends_group

    def note_retry(self, delay_ms: int | None) -> None:
        """Note that the message is on the queue again."""
        self.is_back, self.delay_s = True, None if delay_ms is None else delay_ms / 1000


_NONE: frozenset[str] = frozenset()


def _ids(callbacks: Any) -> frozenset[str]:
    if not isinstance(callbacks, (list, tuple)):
        return _NONE
    return frozenset(message["message_id"] for message in callbacks if isinstance(message, dict))
