"""The parts of a recorder: made when they are needed, before a worker forks, and in a child whatever its parent did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BEGIN = """
import os, signal, sys, threading, time
from opentelemetry.sdk.trace import TracerProvider
from jobspan.events import WatchStarted
from jobspan.recording import Recorder
from jobspan.settings import Settings
from jobspan.testing import a_publish, a_run

recorder = Recorder(Settings(state_dir=sys.argv[1]), tracer_provider=TracerProvider())

def tell(*events):
    for event in events:
        recorder(event)

def ours():
    return {name for name in sys.modules if name.startswith("jobspan")}
"""
WORKER = """
recorder(WatchStarted())
before = ours()
tell(*a_publish(), *a_run())
print(sorted(ours() - before))
"""
FORK = """
class Slow:
    def find_spec(self, name, *_):
        if name == "jobspan.recording.spans.run_spans":
            importing.set()
            time.sleep(0.5)

importing = threading.Event()
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=tell, args=a_run())
thread.start()
importing.wait()
pid = os.fork()
if not pid:
    signal.alarm(20)  # it waits for ever for an import that nobody goes on with
    tell(*a_run())
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
thread.join()
"""


def said_by(program: str, folder: Path) -> str:
    """Run a program to its end and return what it prints."""
    started = [sys.executable, "-c", BEGIN + program, str(folder)]
    return subprocess.run(started, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def test_a_worker_has_loaded_all_that_a_job_needs_before_it_forks(tmp_path: Path) -> None:
    assert said_by(WORKER, tmp_path) == "[]"


def test_a_child_runs_jobs_though_it_was_forked_while_its_parent_made_the_part_for_them(tmp_path: Path) -> None:
    assert said_by(FORK, tmp_path) == "0"
