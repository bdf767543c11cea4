"""Whatever is imported and switched on first: hooks are connected once, and contrib is silenced."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations

import pytest

STEPS = {
    "library": "import celery.app.base, celery.signals, click.core",
    "ours": "jobspan.CeleryInstrumentor().instrument(); jobspan.CommandInstrumentor().instrument()",
    "contrib": (
        "from opentelemetry.instrumentation.celery import CeleryInstrumentor as A;"
        "from opentelemetry.instrumentation.click import ClickInstrumentor as B;"
        "A().instrument(); B().instrument()"
    ),
}
SHOW = """
from celery import signals
import click
def names(signal): return sorted(r[0][0] if isinstance(r[0][0], str) else "contrib" for r in signal.receivers)
print(names(signals.task_prerun))
depth, at = 0, vars(__import__("celery").Celery)["send_task"]
while hasattr(at, "__wrapped__"):
    depth, at = depth + 1, at.__wrapped__
print(depth, __import__("opentelemetry.instrumentation.click", fromlist=["x"])._skip_servers.__name__ == "<lambda>")
from jobspan.recording.safety import dropped
print(dropped.counts())
"""


def shown(*lines: str) -> list[str]:
    """Run lines in a fresh interpreter and return what it then shows."""
    code = "\n".join(["import jobspan", *lines, SHOW])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("order", list(permutations(STEPS)), ids="-".join)
def test_in_every_order_jobspan_is_connected_and_contrib_is_not(order: tuple[str, ...]) -> None:
    assert shown(*(STEPS[step] for step in order)) == ["['jobspan-task_prerun']", "1 True", "{}"]


def test_switched_off_and_on_before_the_library_comes_hooks_are_connected_once() -> None:
    off = "jobspan.CeleryInstrumentor().uninstrument(); jobspan.CommandInstrumentor().uninstrument()"
    on = STEPS["ours"]
    assert shown(on, off, on, off, on, STEPS["library"], STEPS["contrib"]) == [
        "['jobspan-task_prerun']",
        "1 True",
        "{}",
    ]


def test_switched_off_before_the_library_comes_nothing_is_connected() -> None:
    off = "jobspan.CeleryInstrumentor().uninstrument(); jobspan.CommandInstrumentor().uninstrument()"
    assert shown(STEPS["ours"], off, STEPS["library"], "import opentelemetry.instrumentation.click") == [
        "[]",
        "0 False",
        "{}",
    ]


def test_a_module_that_is_half_imported_is_patched_when_a_worker_begins() -> None:
    code = """
import jobspan
jobspan.CeleryInstrumentor().instrument()
import celery.worker.request as request
before = vars(request.Request)["reject"]
from celery import signals
for _ in range(2):
    signals.celeryd_init.send(sender="worker")
patched = vars(request.Request)["reject"]
print(patched is not before and patched.__wrapped__ is before)
jobspan.CeleryInstrumentor().uninstrument()
print(vars(request.Request)["reject"] is before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.split(), done.stderr) == (["True", "True"], "")
