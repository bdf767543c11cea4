"""Instrumentors on libraries in this process, and what they recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobspan.instrumentors import guard
from jobspan.runs import Span
from support.otlp_values import spans_of


class Instrumentation:
    """Instrumentors switched on for one test, all on one tracer provider."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def on(self, instrumentor: Any, **settings: Any) -> None:
        """Switch one on; the end of the test switches it off."""
        instrumentor.instrument(tracer_provider=self.provider, **settings)
        self._stack.callback(instrumentor.uninstrument)

    @property
    def spans(self) -> tuple[Span, ...]:
        """All ended spans by their start."""
        found = spans_of(encode_spans(self._exporter.get_finished_spans()))
        return tuple(sorted((received.span for received in found), key=lambda span: span.start_ns))


@pytest.fixture
def instrumentation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instrumentation]:
    """Instrumentors to switch on; errors in hooks are errors of the test."""
    monkeypatch.setattr(guard, "raises", True)
    with ExitStack() as stack:
        yield Instrumentation(stack)


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], None]:
    """Wait for a condition."""
    from support.waiting import wait_until

    return lambda condition: wait_until(condition, deadline_s=10, what="the condition") and None
