"""A library's call that publishes a job → one start and one end of a publish, whatever is raised in between."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, ClassVar

from jobspan.events import JobSink, PublishFinished
from jobspan.instrumentors.guard import hide_this_frame, redo_on_interrupt
from jobspan.instrumentors.job_patterns import Patterns
from jobspan.recording.context.otel_context import Around, go_back_to


class PublishCall:
    """One call under way, and the key of its events.

    Attributes:
        around: what is current again when the call is over; None: the library nests, so it is anyway.
        interrupt: an interrupt that the library would have swallowed; it is raised after the call.
        on_published: called when the job is on its queue.
        is_recorded: its start has been recorded, so its end is due.
        is_unsampled: only context travels; no event is recorded.
        is_over: its end has been recorded, or need not be.
    """

    # On the class: a call that sets none of them pays for none (tests/library/cost/test_job_bytecodes.py).
    around: Around | None = None
    interrupt: Exception | None = None
    on_published: Callable[[], object] | None = None
    is_recorded = is_unsampled = is_over = False


class PublishHooks(ABC):
    """Reports every publish of a library to the sink.

    The start is recorded before the call (``begins_before``), or by a hook of the library inside it.
    """

    begins_before: ClassVar[bool]
    _current: ClassVar[ContextVar[Any]]
    _call: ClassVar[Callable[..., Any]]
    """``_call(owner, args, kwargs, outer)`` makes a ``PublishCall``; ``outer`` is the one that it is made inside."""

    def __init__(self, sink: JobSink) -> None:
        self._sink = sink
        self._patterns = Patterns()

    def publish(self, wrapped: Callable[..., Any], owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap the library's call and change nothing about it."""
        outer = self._current.get()
        if self._is_noop(outer, args, kwargs):
            return wrapped(*args, **kwargs)
        call = self._call(owner, args, kwargs, outer)
        try:
            self._current.set(call)
            if self.begins_before:
                self._begin(call, owner, args, kwargs)
            result = wrapped(*args, **kwargs)
            self._end(call, None)
        except BaseException as error:
            self._raised(call, error, owner, args, kwargs)
            hide_this_frame(error)
            raise
        finally:
            self._current.set(outer)
        if call.interrupt is not None:
            raise call.interrupt
        return result

    @abstractmethod
    def _is_noop(self, outer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Say whether nothing is recorded of this call and nothing travels with it."""

    @abstractmethod
    def _begin(self, call: Any, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Record the start: before the call, or when it raised before the library's hook in it was reached."""

    @redo_on_interrupt
    def _raised(
        self, call: Any, error: BaseException, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        if not (self.begins_before or call.is_recorded or call.is_unsampled):
            self._begin(call, owner, args, kwargs)
        self._end(call, error)

    @redo_on_interrupt
    def _end(self, call: Any, error: BaseException | None) -> None:
        call.is_over = True
        if call.on_published is not None and error is None:
            call.on_published()
        if call.is_recorded:
            self._sink(PublishFinished(call, error, time.time_ns()))
            if call.around is not None:
                # Another library's handlers that make a context current around jobspan's need not nest with them.
                go_back_to(call.around)
