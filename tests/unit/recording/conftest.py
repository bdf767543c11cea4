"""A recorder whose spans and log events are read back from what would go over the wire."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobspan.probes import run_cost
from jobspan.recording import Recorder
from jobspan.recording.safety import dropped
from jobspan.runs import Span
from jobspan.settings import Settings
from support.by_pattern import ByPattern
from support.otlp_values import spans_of


class Recorded:
    """A recorder, and what it has recorded."""

    def __init__(self, settings: Settings, *, is_by_pattern: bool = False) -> None:
        self._spans = InMemorySpanExporter()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # its __init__ has no types
        tracing, logging = TracerProvider(), LoggerProvider()
        tracing.add_span_processor(SimpleSpanProcessor(self._spans))
        logging.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        recorder = Recorder(settings, tracer_provider=tracing, logger_provider=logging)
        self.tell: Any = ByPattern(recorder) if is_by_pattern else recorder

    @property
    def spans(self) -> tuple[Span, ...]:
        """All ended spans, first ended first."""
        return tuple(received.span for received in spans_of(encode_spans(self._spans.get_finished_spans())))

    @property
    def log_events(self) -> tuple[Any, ...]:
        """All emitted log records."""
        return tuple(data.log_record for data in self._logs.get_finished_logs())


@pytest.fixture(autouse=True)
def no_run_is_open() -> None:
    """Collect the runs that an earlier test left open: they would count among those at once with this test's runs."""
    if run_cost.are_open():
        gc.collect()


@pytest.fixture(params=[False, True], ids=["whole", "by pattern"])
def recording(request: pytest.FixtureRequest) -> Callable[..., Recorded]:
    """Make a recorder with the given settings, which is told jobs whole or by patterns: it makes the same of both."""
    state_dir = os.environ["OTEL_PYTHON_JOBSPAN_STATE_DIR"]
    return lambda **settings: Recorded(Settings(**{"state_dir": state_dir, **settings}), is_by_pattern=request.param)


@pytest.fixture
def recorded(recording: Callable[..., Recorded]) -> Recorded:
    """A recorder with default settings."""
    return recording()


@pytest.fixture(autouse=True)
def nothing_dropped_before() -> Iterator[None]:
    """Each test counts from zero."""
    dropped.forget()
    yield
    dropped.forget()
