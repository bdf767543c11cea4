"""When a publish stops nesting its run in the trace, and when it gets no span of its own: traces stay of a size.

A backend refuses a trace that is too large, and no reader can use one. So past a number of publishes, a depth or an age
the next run begins a new trace, linked to its publish; and past the number of publishes they are summarised.
"""

from __future__ import annotations

from threading import RLock

from jobspan import forks
from jobspan.named_tuple import NamedTuple

DEPTH_LIMIT = 50
AGE_LIMIT_NS = 3600 * 1_000_000_000

_MOST_TRACES = 1000

# A signal handler of the host may put a job in the midst of a publish.
_lock = RLock()


class TraceDecision(NamedTuple):
    """What becomes of a publish, and when its trace began, as far as this process knows."""

    begins_trace: bool
    is_summarised: bool
    trace_started_ns: int


class _Trace:
    __slots__ = ("published", "started_ns")

    def __init__(self, started_ns: int) -> None:
        self.published = 0
        self.started_ns = started_ns


class TraceLimiter:
    """Counts the publishes of each trace in this process: of the latest 1000 traces.

    Args:
        job_limit: publishes of a trace that get a span each; 0 for no limit.
    """

    def __init__(self, job_limit: int) -> None:
        self._limit = job_limit
        self._traces: dict[int, _Trace] = {}

    def count(
        self, trace_id: int, *, depth: int, started_ns: int | None, at_ns: int, is_counted: bool = True
    ) -> TraceDecision:
        """Count a publish under way in a trace, and decide what becomes of it.

        Args:
            trace_id: of the caller's span; 0 when there is none and the publish begins a trace.
            depth: runs above the publish.
            started_ns: when the trace began, where that is known; else it began with its first publish seen here.
            at_ns: now.
            is_counted: the publish gets a span; one that gets none goes by what the others have come to.
        """
        if not trace_id:
            return TraceDecision(begins_trace=False, is_summarised=False, trace_started_ns=at_ns)
        with _lock:
            trace = self._trace(trace_id, started_ns or at_ns)
            trace.published += is_counted
            is_summarised = 0 < self._limit < trace.published
        began_ns = started_ns or trace.started_ns
        is_long = depth >= DEPTH_LIMIT or at_ns - began_ns > AGE_LIMIT_NS
        return TraceDecision(is_summarised or is_long, is_summarised, began_ns)

    def remaining(self, trace_id: int) -> int | None:
        """Return how many more publishes of a trace get a span of their own; None for any number."""
        if not self._limit:
            return None
        with _lock:
            trace = self._traces.get(trace_id)
            return max(0, self._limit - (trace.published if trace else 0))

    def _trace(self, trace_id: int, started_ns: int) -> _Trace:
        found = self._traces.pop(trace_id, None)
        if found is None:
            if len(self._traces) >= _MOST_TRACES:
                del self._traces[next(iter(self._traces))]
            found = _Trace(started_ns)
        # Put last again: the first of the table is the one that was not used for longest.
        self._traces[trace_id] = found
        return found


def _begin_anew() -> None:
    global _lock  # noqa: PLW0603 - another thread may have held it at the fork
    _lock = RLock()


forks.join("trace limits", in_child=_begin_anew)
