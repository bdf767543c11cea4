"""The ends of the runs that are under way when jobspan's middleware leaves a broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dramatiq import Middleware

from jobspan.instrumentors.dramatiq.middleware import JobspanMiddleware


class OpenRunEnds(Middleware):
    """Takes the place of the middleware until the runs that it has begun have ended, and leaves then.

    Args:
        middleware: the one that has begun them.
        leave: removes this one from a broker.
    """

    def __init__(self, middleware: JobspanMiddleware, leave: Callable[[Any, OpenRunEnds], None]) -> None:
        self._middleware = middleware
        self._leave = leave

    def after_enqueue(self, broker: Any, message: Any, delay: int | None) -> None:
        """A run's message is back on its queue."""
        self._middleware.note_retry(message, delay)

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The message was processed, or raised."""
        if self._middleware.has_begun(message):
            self._middleware.after_process_message(broker, message, result=result, exception=exception)
        self.leave_when_drained(broker)

    def after_skip_message(self, broker: Any, message: Any) -> None:
        """A before-hook raised SkipMessage."""
        if self._middleware.has_begun(message):
            self._middleware.after_skip_message(broker, message)
        self.leave_when_drained(broker)

    def before_ack(self, broker: Any, message: Any) -> None:
        """Report the end of a run that an interrupt kept from being reported."""
        self._middleware.before_ack(broker, message)
        self.leave_when_drained(broker)

    before_nack = before_ack

    def leave_when_drained(self, broker: Any) -> None:
        """Leave the broker, once no run is open."""
        if not self._middleware.is_in_a_run:
            self._leave(broker, self)
