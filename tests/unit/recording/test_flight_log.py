"""The flight log of a process whose jobs are interrupted from outside, at any line, also at one of ours."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobspan.flight import layout
from jobspan.recording.flight_log import FlightLog


class _Interrupt(BaseException):
    pass


class _InterruptAt:
    """Raises at the line of ours with this number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and "jobspan" in frame.f_code.co_filename:
            self.left -= 1
            if self.left < 0:
                raise _Interrupt
        return self


@pytest.mark.parametrize("line", range(12))
def test_an_interrupted_end_gives_its_slot_back_no_more_than_once(tmp_path: Path, line: int) -> None:
    log, provider = FlightLog(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    span = provider.get_tracer("jobs").start_span("run")
    log.configure(str(tmp_path), provider)
    log.began(span, {}, is_safe=False)
    file = log.open()
    assert file is not None
    before = sys.gettrace()
    sys.settrace(_InterruptAt(line))
    try:
        log.closed(span)
    except _Interrupt:
        pass
    finally:
        sys.settrace(before)
    log.closed(span)
    slots = [file.write(layout.OPEN, b"x") for _ in range(64)]
    assert len(set(slots)) == 64
    file.remove()


def test_spans_that_go_nowhere_are_not_kept(tmp_path: Path) -> None:
    log, provider = FlightLog(), TracerProvider()
    log.configure(str(tmp_path), provider)
    log.began(provider.get_tracer("jobs").start_span("run"), {}, is_safe=False)
    assert log.name is None
    assert list(tmp_path.iterdir()) == []
