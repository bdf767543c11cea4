"""The flight log of a process whose jobs are interrupted from outside, at any line, also at one of ours."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, Status, StatusCode

from jobspan.flight import layout, reading
from jobspan.recording.journal import flight_log
from jobspan.recording.journal.flight_log import SUPERVISOR, FlightLog


class _Interrupt(BaseException):
    pass


def _left_in(file: Any) -> Sequence[reading.LeftRecord]:
    contents = reading.peek(file.path)
    assert contents is not None
    return contents.records


class _InterruptAt:
    """Raises at the line of ours with this number."""

    def __init__(self, number: int) -> None:
        self.records = number

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line" and "jobspan" in frame.f_code.co_filename:
            self.records -= 1
            if self.records < 0:
                raise _Interrupt
        return self


@pytest.mark.parametrize("line", range(12))
def test_an_interrupted_end_gives_its_slot_back_no_more_than_once(tmp_path: Path, line: int) -> None:
    log, provider = FlightLog(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    span = provider.get_tracer("jobs").start_span("run")
    log.configure(str(tmp_path), provider)
    log.record_open(span, {}, is_safe=False)
    file = log.open()
    assert file is not None
    before = sys.gettrace()
    sys.settrace(_InterruptAt(line))
    try:
        log.clear(span)
    except _Interrupt:
        pass
    finally:
        sys.settrace(before)
    log.clear(span)
    slots = [file.write(layout.OPEN, ()) for _ in range(64)]
    assert len(set(slots)) == 64
    file.remove()


@pytest.mark.parametrize("line", range(70))
def test_an_interrupted_beginning_leaves_no_record_that_nobody_clears(tmp_path: Path, line: int) -> None:
    log, provider = FlightLog(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=io.StringIO())))
    log.configure(str(tmp_path), provider)
    span = provider.get_tracer("jobs").start_span("run")
    file = log.open(span)
    assert file is not None
    before = sys.gettrace()
    sys.settrace(_InterruptAt(line))
    try:
        log.record_open(span, {}, is_safe=False)
    except _Interrupt:
        pass
    finally:
        sys.settrace(before)
    log.record_finished(span, 2)
    assert len(_left_in(file)) == 1
    span.end(2)
    log.clear(span)
    assert _left_in(file) == []
    file.remove()


@pytest.mark.parametrize("is_kept_open", [True, False])
@pytest.mark.parametrize("line", range(70))
def test_an_interrupted_end_is_told_once_and_its_slot_given_back_once(
    tmp_path: Path, line: int, is_kept_open: bool
) -> None:
    """The exporter is done with a span before whoever ended it goes on."""
    log, provider = FlightLog(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=io.StringIO())))
    log.configure(str(tmp_path), provider)
    first, span = (provider.get_tracer("jobs").start_span(name) for name in ("first", "run"))
    for each in (first, span) if is_kept_open else (first,):
        log.record_open(each, {}, is_safe=False)
    log.record_finished(first, 1)
    first.end(1)
    file = log.open()
    assert file is not None
    before, is_interrupted = sys.gettrace(), False
    sys.settrace(_InterruptAt(line))
    try:
        log.record_finished(span, 2)
    except _Interrupt:
        is_interrupted = True
    finally:
        sys.settrace(before)
    if is_interrupted and line % 2:
        log.record_finished(span, 2)
    contents = reading.peek(file.path)
    assert contents is not None
    assert is_interrupted or [left.state for left in contents.records] == [layout.FINISHED]
    span.end(2)
    log.clear(span)
    contents = reading.peek(file.path)
    assert contents is not None
    assert not contents.records
    slots = [file.write(layout.OPEN, ()) for _ in range(64)]
    assert len(set(slots)) == 64
    file.remove()


@pytest.mark.parametrize("kind", ["unchanged", "more", "other", "dropped", "linked", "too much"])
def test_what_a_finished_record_holds_is_what_the_span_holds(tmp_path: Path, kind: str) -> None:
    log, provider = FlightLog(), TracerProvider(span_limits=SpanLimits(max_span_attributes=3, max_links=1))
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=io.StringIO())))
    log.configure(str(tmp_path), provider)
    tracer = provider.get_tracer("jobs")
    link = Link(tracer.start_span("publish").get_span_context(), {"of": "publish"})
    span: Any = tracer.start_span("run", attributes={"a": 1, "b": 1}, links=[link])
    log.record_open(span, {"pid": 4}, is_safe=True)
    if kind in {"more", "dropped"}:
        span.set_attribute("c", "new")
    if kind in {"other", "dropped"}:
        span.set_attribute("b", True)
    if kind == "dropped":
        span.set_attribute("d", 2.5)
    if kind == "linked":
        span.add_link(tracer.start_span("lost").get_span_context(), {"of": "lost"})
    if kind == "too much":
        span.record_exception(ValueError(os.urandom(4_000).hex()))
        span.set_status(Status(StatusCode.ERROR, "no"))
        span.update_name("run anew")
    log.record_finished(span, 9)
    file = log.open()
    assert file is not None
    contents = reading.peek(file.path)
    assert contents is not None
    ((at, state, found, *_),) = contents.records
    assert (state, (at < layout.SMALL.end)) == (layout.FINISHED, kind != "too much")
    attributes = dict(span.attributes)
    assert (found.attributes, found.name, found.end_ns) == (attributes, span.name, 9)
    assert {name: type(value) for name, value in found.attributes.items()} == {
        name: type(value) for name, value in attributes.items()
    }
    assert [(to[1], said) for to, said in found.links] == [
        (to.context.span_id, dict(to.attributes)) for to in span.links
    ]
    assert [name for name, *_ in found.events] == [event.name for event in span.events]
    assert found.status == (span.status.status_code.value, span.status.description)
    assert (found.more, found.is_safe) == (None, False)
    log.clear(span)
    contents = reading.peek(file.path)
    assert contents is not None
    assert [left.state for left in contents.records] == [layout.FINISHED]
    file.remove()


@pytest.mark.parametrize("kind", ["begun", "too much", "alone"])
def test_a_flush_lets_go_of_no_span_that_another_thread_is_about_to_end(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has missed that one, which the SDK may not have sent when the process is killed."""
    log, provider = FlightLog(), TracerProvider()
    monkeypatch.setattr(flight_log, "get_tracer_provider", lambda: provider)
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=io.StringIO())))
    log.configure(str(tmp_path), provider)
    span: Any = provider.get_tracer("jobs").start_span("run")
    file = log.open(span)
    assert file is not None
    if kind != "alone":
        log.record_open(span, {}, is_safe=False)
    if kind == "too much":
        span.record_exception(ValueError(os.urandom(4_000).hex()))
    log.record_finished(span, 9)
    flush_has_ended = log.flush_begins()
    flush_has_ended()
    assert [(left.state, left.span.name) for left in _left_in(file)] == [(layout.FINISHED, "run")]
    log.clear(span)
    flush_has_ended = log.flush_begins()
    flush_has_ended()
    assert _left_in(file) == []
    file.remove()


def test_spans_that_go_nowhere_are_not_kept(tmp_path: Path) -> None:
    log, provider = FlightLog(), TracerProvider()
    log.configure(str(tmp_path), provider)
    log.record_open(provider.get_tracer("jobs").start_span("run"), {}, is_safe=False)
    assert log.name is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_its_keepers_to_count_from_its_first_moment_to_its_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that collects at any line of ours finds nothing to say of a run that another process reports."""
    monkeypatch.setenv(SUPERVISOR, "1-1")
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
        log.record_open(span, {}, is_safe=False)
        log.clear(span)
    finally:
        sys.settrace(before)
    log.exclude(other)
    assert len(found) > 20
    assert set(found) == {True}
    assert not log.is_kept(other)
    log.clear(other)


def test_a_folder_in_nobodys_home_is_one_line_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    log = FlightLog()
    log.configure("~nobody-of-this-name/flight")
    assert (log.folder, log.open()) == (None, None)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "no flight record, so the runs of killed processes are not reported"
    ]


def test_a_run_that_is_left_out_is_forgotten_however_it_ends(tmp_path: Path) -> None:
    log, provider = FlightLog(), TracerProvider()
    log.configure(str(tmp_path), provider)
    for end in (log.clear, log.unwinding):
        span = provider.get_tracer("jobs").start_span("run")
        log.exclude(span)
        assert log._left_out
        end(span)
        assert not log._left_out
