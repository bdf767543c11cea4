"""A fork in the midst of an export of metrics: the child can export all the same, and no thread waits over a second."""

from __future__ import annotations

import subprocess
import sys

import pytest

FORK = """
import os, sys, threading, time
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from jobspan.recording.sdk.fork_gate import guard_forks

is_guarded, seconds = sys.argv[1] == "guarded", float(sys.argv[2])
exporting = threading.Event()

class Slow(MetricExporter):
    def export(self, metrics_data, timeout_millis=10_000, **kwargs):
        if os.getpid() == parent:
            exporting.set()
            time.sleep(seconds)
        return MetricExportResult.SUCCESS
    def force_flush(self, timeout_millis=10_000): return True
    def shutdown(self, timeout_millis=30_000, **kwargs): pass

parent = os.getpid()
provider = MeterProvider([PeriodicExportingMetricReader(Slow(), 3_600_000)], shutdown_on_exit=False)
metrics.set_meter_provider(provider)
metrics.get_meter("m").create_counter("c").add(1)
if is_guarded:
    guard_forks()
threading.Thread(target=provider.force_flush, daemon=True).start()
exporting.wait()
began = time.monotonic()
child = os.fork()
if child == 0:
    provider.force_flush()
    os._exit(0)
forked_s = time.monotonic() - began
deadline = time.monotonic() + 4
ended = 0
while not ended and time.monotonic() < deadline:
    ended, _ = os.waitpid(child, os.WNOHANG)
    time.sleep(0.01)
if not ended:
    os.kill(child, 9)
    os.waitpid(child, 0)
print(bool(ended), forked_s < 1.5, flush=True)
os._exit(0)
"""


def forked(guard: str, export_s: float) -> str:
    """Fork while an export lasts so long: say whether the child could export, and whether the fork was in time."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, guard, str(export_s)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize("export_s", [0.3, 10.0])
def test_a_child_forked_while_metrics_are_exported_can_export(export_s: float) -> None:
    assert forked("guarded", export_s) == "True True"


def test_without_the_gate_such_a_child_hangs_for_ever() -> None:
    assert forked("bare", 0.3) == "False True"
