"""The flight log of a process whose jobs are interrupted from outside, at any line, also at one of ours."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobspan.flight import layout
from jobspan.recording.flight_log import KEEPER, FlightLog


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


def test_a_run_is_its_keepers_to_count_from_its_first_moment_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that collects at any line of ours finds nothing to say of a run that another process reports."""
    monkeypatch.setenv(KEEPER, "1-1")
    log, provider = FlightLog(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=io.StringIO())))
    log.configure(str(tmp_path), provider)
    span, other = (provider.get_tracer("jobs").start_span(name) for name in ("run", "eager run"))
    found: list[bool] = []

    def look(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and frame.f_code.co_name != "is_kept" and "jobspan" in frame.f_code.co_filename:
            found.append(log.is_kept(span))
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        log.began(span, {}, is_safe=False)
        log.closed(span)
    finally:
        sys.settrace(before)
    log.leave_out(other)
    assert len(found) > 20
    assert set(found) == {True}
    assert not log.is_kept(other)
    log.closed(other)


def test_a_folder_in_nobodys_home_is_one_line_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    log = FlightLog()
    log.configure("~nobody-of-this-name/flight")
    assert (log.folder, log.open()) == (None, None)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "no flight record, so the runs of killed processes are not told"
    ]


def test_a_run_that_is_left_out_is_forgotten_however_it_ends(tmp_path: Path) -> None:
    log, provider = FlightLog(), TracerProvider()
    log.configure(str(tmp_path), provider)
    for end in (log.closed, log.unwinding):
        span = provider.get_tracer("jobs").start_span("run")
        log.leave_out(span)
        assert log._left_out
        end(span)
        assert not log._left_out
