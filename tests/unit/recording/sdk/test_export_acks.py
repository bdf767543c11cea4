"""Which exporters tell what has arrived."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobspan.recording import Recorder
from jobspan.recording.sdk.export_acks import watch_exporters
from jobspan.settings import Settings
from unit.recording.builders import run_finished, run_started


class Closed:
    """An exporter that takes no attributes."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent: list[str] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Remember the names."""
        self.sent += [span.name for span in spans]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to do."""


def test_an_exporter_that_cannot_be_heard_sends_every_run_all_the_same(tmp_path: Path) -> None:
    closed, provider = Closed(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(closed))  # type: ignore[arg-type]  # it does what is asked of one
    tell = Recorder(Settings(state_dir=str(tmp_path)), tracer_provider=provider)
    tell(run_started())
    tell(run_finished())
    assert closed.sent == ["run send_mail"]
    assert watch_exporters(lambda _: None, provider) == 0


class Silent(InMemorySpanExporter):
    """An exporter that answers nothing, as its kind may: the SDK does not look."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take them, or fail."""
        super().export(spans)
        if spans[0].name == "fails":
            raise ConnectionError
        return None  # type: ignore[return-value]  # as above


def test_what_an_exporter_without_an_answer_has_taken_has_arrived() -> None:
    arrived: list[int] = []
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Silent()))
    watch_exporters(arrived.extend, provider)
    works, fails = (provider.get_tracer("test").start_span(name) for name in ("works", "fails"))
    works.end()
    fails.end()
    assert arrived == [works.get_span_context().span_id]


def test_an_exporter_that_a_provider_is_given_later_is_heard() -> None:
    provider = TracerProvider()
    assert watch_exporters(lambda _: None, provider) == 0
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    assert [watch_exporters(lambda _: None, provider) for _ in range(2)] == [1, 1]
