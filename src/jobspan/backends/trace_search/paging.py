"""Past the number of traces that a backend gives at once: a time window with more is asked again in two parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

from jobspan.errors import BackendError
from jobspan.runs import Span


@dataclass(frozen=True, slots=True)
class Window:
    """From one moment to another, both within, Unix microseconds."""

    first_us: int
    last_us: int

    def holds(self, span: Span) -> bool:
        """Say whether a span begins within."""
        return self.first_us <= span.start_ns // 1000 <= self.last_us


@dataclass(frozen=True, slots=True)
class Page:
    """What a backend gave for a window. ``is_complete``: every trace that it has there."""

    spans: Sequence[Span]
    is_complete: bool


def newest_first(ask: Callable[[Window], Page], window: Window, *, grain_us: int = 1) -> Iterator[list[Span]]:
    """Yield the spans that begin within a window, each once, the newest part first.

    Args:
        ask: what a backend gives for a window, in any order.
        window: the whole.
        grain_us: the backend cannot be asked for less than so many microseconds.

    Raises:
        BackendError: more lies within the least window than the backend gives.
    """
    waiting = [window]
    while waiting:
        part = waiting.pop()
        page = ask(part)
        within = {(span.trace_id, span.span_id): span for span in page.spans if part.holds(span)}
        if page.is_complete:
            yield list(within.values())
            continue
        if part.last_us - part.first_us < grain_us:
            raise BackendError(f"more begins within {grain_us} µs than the backend gives at once; filter for less")
        # Most backends give the newest: what was given then lies in the part that is asked for next, once more.
        at_us = median_low([span.start_ns // 1000 for span in within.values()] or [(part.first_us + part.last_us) // 2])
        at_us = max(at_us, part.first_us + 1)
        waiting += [Window(part.first_us, at_us - 1), Window(at_us, part.last_us)]
