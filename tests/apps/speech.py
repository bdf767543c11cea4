"""What a job says by itself: a log record, and a span of its own."""

from __future__ import annotations

from opentelemetry._logs import get_logger
from opentelemetry.trace import get_tracer


def speak() -> None:
    """Say both, where the job stands."""
    get_logger("shop").emit(body="spoken")
    with get_tracer("shop").start_as_current_span("query"):
        pass
