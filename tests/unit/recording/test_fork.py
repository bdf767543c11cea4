"""A forked child starts anew: what its parent opened or counted is the parent's to tell."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

FORK = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from jobspan.probes.memory import resident_bytes
from jobspan.recording import Recorder, dropped
from jobspan.settings import Settings
from unit.recording.builders import publish_finished, publish_started, run_finished, run_started

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tell = Recorder(Settings(state_dir="off"), tracer_provider=provider)
tell(run_started())
dropped.count("before", "counted by the parent")
at_start = resident_bytes()
child = os.fork()
if child == 0:
    tell(run_finished())
    held = bytearray(b"x") * (64 * 1024 * 1024)
    grown = resident_bytes() - at_start > 48 * 1024 * 1024
    sys.stdout.write(f"{len(exporter.get_finished_spans())} {dropped.counts()} {grown}\\n")
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
tell(run_finished())
print(len(exporter.get_finished_spans()), dropped.counts())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_neither_ends_nor_counts_what_is_its_parents_and_measures_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORK)],
        env={**os.environ, "PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["0 {} True", "1 {'before': 1}"], done.stderr
