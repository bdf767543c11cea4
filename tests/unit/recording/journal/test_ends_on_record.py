"""However a span ends, nothing of it stays in the flight log: the next process would tell it again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.short_program import printed_by

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no flight record on this platform")

A_RUN_IS_OPEN = """
import sys
from contextlib import suppress
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider
from jobspan.events import CommandFinished, CommandStarted
from jobspan.recording import Recorder
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.safety.interrupts import register_interrupt
from jobspan.recording.sdk.flush import flush
from jobspan.settings import Settings
from support.soft_limits import SoftTimeLimitExceeded, interrupt_at
from unit.recording.builders import publish_finished, publish_started, run_finished, run_started

class Told(InMemorySpanExporter):
    pass  # leads somewhere: what stays in the memory of a test does not

class Raises(SpanProcessor):
    def on_end(self, span):
        raise ValueError("theirs")

register_interrupt(SoftTimeLimitExceeded)
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(Told()))
set_tracer_provider(provider)
tell = Recorder(Settings(state_dir=sys.argv[1]))
tell(run_started(key="outer"))
"""
A_PROCESSOR_RAISES = """
provider.add_span_processor(Raises())
tell(CommandStarted("command", "import", {}, 1))
for number in range(20):
    tell(publish_started(key=number))
    with suppress(ValueError):
        tell(publish_finished(key=number))
with suppress(ValueError):
    tell(CommandFinished("command", 0, None, 2))
"""
AN_INTERRUPT_LANDS = """
line, are_interrupted = 0, True
while are_interrupted:
    line += 1
    tell(publish_started(key=line))
    are_interrupted = interrupt_at(line, "/jobspan/recording/")
    try:
        tell(publish_finished(key=line))
    except SoftTimeLimitExceeded:
        tell(publish_finished(key=line))
    sys.settrace(None)
assert line > 30
"""
WHAT_IS_LEFT = """
flush(10)
print(len(flight_log._open), len(flight_log._pending.slots))
with suppress(ValueError):
    tell(run_finished(key="outer"))
flush(10)
flight_log.close()
print(flight_log.name)
"""


@pytest.mark.parametrize("how", [A_PROCESSOR_RAISES, AN_INTERRUPT_LANDS], ids=["a processor raises", "an interrupt"])
def test_nothing_of_a_span_that_ended_stays_on_record(tmp_path: Path, how: str) -> None:
    assert printed_by(A_RUN_IS_OPEN + how + WHAT_IS_LEFT, str(tmp_path / "flight")).split() == ["1", "0", "None"]
