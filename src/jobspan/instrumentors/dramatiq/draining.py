"""The ends of the runs that are under way when our middleware leaves a broker: the last that is heard of its jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dramatiq import Middleware

from jobspan.instrumentors.dramatiq.middleware import JobspanMiddleware


class OpenRunEnds(Middleware):
    """Stands where our middleware stood until the runs that it has begun are told, and leaves then.

    Args:
        ours: the middleware that has begun them.
        leave: takes this one out of a broker.
    """

    def __init__(self, ours: JobspanMiddleware, leave: Callable[[Any, OpenRunEnds], None]) -> None:
        self._ours = ours
        self._leave = leave

    def after_enqueue(self, broker: Any, message: Any, delay: int | None) -> None:
        """Hear that a run's message is back on its queue."""
        self._ours.note_retry(message, delay)

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The message was processed, or raised."""
        if self._ours.has_begun(message):
            self._ours.after_process_message(broker, message, result=result, exception=exception)
        self.leave_when_drained(broker)

    def after_skip_message(self, broker: Any, message: Any) -> None:
        """A before-hook raised SkipMessage."""
        if self._ours.has_begun(message):
            self._ours.after_skip_message(broker, message)
        self.leave_when_drained(broker)

    def before_ack(self, broker: Any, message: Any) -> None:
        """Tell the end of a run that an interrupt kept from being told."""
        self._ours.before_ack(broker, message)
        self.leave_when_drained(broker)

    before_nack = before_ack

    def leave_when_drained(self, broker: Any) -> None:
        """Leave the broker, once no run of ours is open."""
        if not self._ours.is_in_a_run:
            self._leave(broker, self)
