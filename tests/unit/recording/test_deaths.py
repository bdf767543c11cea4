"""What a watching process tells of a run whose process is dead: one truth, whatever the library says later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

A_RUN_IS_KILLED = """
import os, signal, sys, time
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from jobspan.events import ProcessEnded, RunLost, WatchStarted
from jobspan.jobs import Outcome
from jobspan.recording import Recorder
from jobspan.settings import Settings
from unit.recording.builders import REDIS, job, run_started

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tell = Recorder(Settings(state_dir=sys.argv[1]), tracer_provider=provider)
tell(WatchStarted())
child = os.fork()
if child == 0:
    tell(run_started())
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
died = ProcessEnded(child, -signal.SIGKILL, time.time_ns(), lambda _: True)
timed_out = RunLost(
    job(), REDIS, {}, "w1", Outcome.TIMED_OUT, final=True, started_ns=time.time_ns(), at_ns=time.time_ns(), pid=child
)
"""
PRINTED = "print([span.attributes['jobspan.job.outcome'] for span in exporter.get_finished_spans()])"


def told(folder: Path, *steps: str) -> str:
    """Return the outcomes that are told when these things follow upon a run that is killed."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([A_RUN_IS_KILLED, *steps, PRINTED]), str(folder / "flight")],
        env={**os.environ, "PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_run_whose_death_is_told_is_not_told_again_when_the_library_times_it_out(tmp_path: Path) -> None:
    assert told(tmp_path, "tell(died)", "tell(timed_out)", "tell(died)") == "['lost']"
    assert told(tmp_path, "tell(timed_out)", "tell(died)", "tell(timed_out)") == "['timed_out']"
