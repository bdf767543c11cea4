"""A forked child starts anew: what its parent opened or counted is the parent's to tell."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

FORK = """
import os, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from jobspan.probes.memory import resident_bytes
from jobspan.recording import Recorder
from jobspan.recording.safety import dropped
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


IN_THE_MIDST = """
import os, signal, sys, threading
from jobspan.recording.context.trace_limits import TraceLimiter

trace_limiter = TraceLimiter(10)

def put():
    trace_limiter.count(1, depth=0, started_ns=1, at_ns=1)

def in_the_midst(do):
    def trace(frame, event, _):
        if frame.f_code.co_name == "_trace" and event == "line":
            sys.settrace(None)
            do()
        return trace
    sys.settrace(trace)
    put()
    sys.settrace(None)

signal.alarm(20)
signal.signal(signal.SIGUSR1, lambda *_: put())
in_the_midst(lambda: signal.raise_signal(signal.SIGUSR1))
is_there, go_on = threading.Event(), threading.Event()
threading.Thread(target=in_the_midst, args=(lambda: (is_there.set(), go_on.wait()),)).start()
is_there.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)
    put()
    os._exit(0)
_, status = os.waitpid(child, 0)
go_on.set()
print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_publish_waits_for_none_that_it_interrupts_nor_for_one_of_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", IN_THE_MIDST], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


BEGINS_IN_THE_MIDST = """
import signal, sys, tempfile
from itertools import count
from pathlib import Path
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from jobspan.flight import reading, writing
from jobspan.recording.journal import flight_log
from jobspan.recording.journal.flight_log import FlightLog

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
names, files = ("run", "a signal handler's"), {writing.__file__, flight_log.__file__}

def kept(folder, at_line):
    log, left = FlightLog(), at_line
    log.configure(folder, provider)
    run, other = (provider.get_tracer("jobs").start_span(name) for name in names)
    signal.signal(signal.SIGUSR1, lambda *_: log.record_open(other, {}, is_safe=False))

    def trace(frame, event, _):
        nonlocal left
        if event == "line" and frame.f_code.co_filename in files:
            left -= 1
            if left < 0:
                sys.settrace(None)
                signal.raise_signal(signal.SIGUSR1)
                return None
        return trace

    signal.alarm(20)
    sys.settrace(trace)
    log.record_open(run, {}, is_safe=False)
    sys.settrace(None)
    assert len(list(Path(folder).iterdir())) == 1
    log.record_open(other, {}, is_safe=False)
    return left < 0, {each.span.name for each in reading.peek(log.open().path).records}

for line in count():
    with tempfile.TemporaryDirectory() as folder:
        is_reached, found = kept(folder, line)
    assert found == set(names), (line, found)
    if not is_reached:
        break
print(line > 50)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_run_that_begins_in_a_signal_handler_waits_for_none_that_it_interrupts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEGINS_IN_THE_MIDST], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


COUNTS_IN_THE_MIDST = """
import linecache, logging, re, signal, sys
from pathlib import Path
from jobspan.recording.registry import child_job_counts
from jobspan.recording.telemetry import process_counts
from jobspan.recording.safety import dropped

def is_counting(frame):
    return re.search(r"\\+= |\\+ 1", linecache.getline(frame.f_code.co_filename, frame.f_lineno))

logging.disable()
place = child_job_counts._Place(Path(sys.argv[1]))
done = 0

def in_the_midst(count):
    global done

    def trace(frame, event, _):
        if frame.f_code.co_name == "count" and event == "line" and is_counting(frame):
            sys.settrace(None)
            signal.raise_signal(signal.SIGUSR1)
        return trace

    signal.alarm(20)
    signal.signal(signal.SIGUSR1, lambda *_: count())
    sys.settrace(trace)
    count()
    sys.settrace(None)
    done += 1

in_the_midst(lambda: place.count(1, 0))
in_the_midst(lambda: dropped.count("reason", "detail"))
in_the_midst(lambda: process_counts.count(process_counts.COUNTED[0], {}))
print(done)
"""


def test_what_a_signal_handler_counts_waits_for_no_count_that_it_interrupts(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNTS_IN_THE_MIDST, str(tmp_path / "counts")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
