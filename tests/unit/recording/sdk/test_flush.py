"""Flushes that nobody waits for."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import threading
from opentelemetry.trace import NoOpTracerProvider, set_tracer_provider
from jobspan.recording.sdk.flush import flush_soon

class Slow(NoOpTracerProvider):
    begun, asked, may_end = 0, threading.Semaphore(0), threading.Semaphore(0)

    def force_flush(self):
        self.begun += 1
        self.asked.release()
        self.may_end.acquire()

slow = Slow()
set_tracer_provider(slow)
flush_soon()
slow.asked.acquire()
for _ in range(100):
    flush_soon()
flushing = [thread for thread in threading.enumerate() if thread.name == "jobspan-flush"]
slow.may_end.release(2)
for thread in flushing:
    thread.join(10)
flush_soon()
slow.asked.acquire()
slow.asked.acquire()
print(len(flushing), slow.begun)
"""

LEAVING = """
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import set_tracer_provider
from jobspan.recording.sdk.flush import flush_at_exit

class Printing(SpanExporter):
    def export(self, spans):
        print([span.name for span in spans], flush=True)

provider = TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(), shutdown_on_exit=False)
provider.add_span_processor(BatchSpanProcessor(Printing()))
set_tracer_provider(provider)
flush_at_exit()
provider.get_tracer("shop").start_span("last").end()
"""


def said(program: str) -> tuple[str, str]:
    """Return what a program says, on both channels."""
    done = subprocess.run(
        [sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout.strip(), done.stderr


def test_many_flushes_at_once_are_one_that_runs_and_one_that_waits() -> None:
    assert said(PROGRAM) == ("2 3", "")


def test_processors_in_threads_that_have_ended_are_flushed_all_the_same() -> None:
    assert said(LEAVING) == ("['last']", "")
