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


def test_many_flushes_at_once_are_one_that_runs_and_one_that_waits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("2 3", "")
