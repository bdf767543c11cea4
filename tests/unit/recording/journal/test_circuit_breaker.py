"""Processes of one command that leave one after the other, beside a collector that answers or does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, sys, time
from opentelemetry.trace import NonRecordingSpan, NoOpTracerProvider, SpanContext, set_tracer_provider
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.sdk import flush
from jobspan.recording.journal import circuit_breaker
from jobspan.recording.journal.circuit_breaker import reset, share_with_trace

class Collector(NoOpTracerProvider):
    answers = False

    def force_flush(self):
        if not self.answers:
            time.sleep(30)

def leave(trace_id, answers):
    child = os.fork()
    if not child:
        collector.answers = answers
        share_with_trace(NonRecordingSpan(SpanContext(trace_id, 1, False))) if trace_id else reset()
        began_s = time.monotonic()
        flush.flush_and_leave()
        assert answers or time.monotonic() - began_s >= flush._waited_s[0]
        os._exit(flush._waited_s[0] == flush.DEADLINE_S)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

flush.DEADLINE_S, circuit_breaker._LOOK_S = 0.2, 0.05
collector = Collector()
set_tracer_provider(collector)
flight_log.configure(sys.argv[1])
print(*(leave(*each) for each in eval(sys.argv[2])))
"""


def waits(folder: Path, *processes: tuple[int, bool]) -> str:
    """Let processes leave, each of a trace and with a collector that answers or not; 1 for each that waited."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(folder), repr(processes)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_one_waits_for_all_of_its_command(tmp_path: Path) -> None:
    assert waits(tmp_path, (1, False), (1, False), (1, False)) == "1 0 0"


def test_a_collector_that_answers_is_waited_for_again(tmp_path: Path) -> None:
    assert waits(tmp_path, (1, False), (1, True), (1, False)) == "1 0 1"


def test_each_command_waits_for_itself_and_so_does_who_is_of_none(tmp_path: Path) -> None:
    assert waits(tmp_path, (1, False), (257, False), (0, False)) == "1 1 1"


def test_without_a_state_folder_each_waits() -> None:
    assert waits(Path("off"), (1, False), (1, False)) == "1 1"
