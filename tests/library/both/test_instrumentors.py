"""All instrumentors: lazy, never in the way, nothing left behind."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
from typing import Any

import celery
import celery.app.base
import pytest
from celery import platforms, signals
from celery.worker.consumer.consumer import Consumer
from celery.worker.request import Request

from jobspan import CeleryInstrumentor
from jobspan.instrumentors import base, guard
from jobspan.instrumentors.guard import guarded
from jobspan.recording.safety import dropped
from library.conftest import Instrumentation

BLOCK = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent} or name in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def python(code: str, *, absent: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter in which some packages are not installed."""
    program = BLOCK.format(absent=absent) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


def test_instrumenting_imports_no_task_library() -> None:
    done = python(
        """
        import jobspan
        for name in ("CeleryInstrumentor", "DramatiqInstrumentor", "CommandInstrumentor"):
            getattr(jobspan, name)().instrument()
        heavy = {"celery", "dramatiq", "click", "kombu", "opentelemetry.sdk", "rich", "duckdb"}
        print(sorted(heavy & set(sys.modules)))
        """
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("absent", ["dramatiq", "celery", "click"])
def test_with_one_library_absent_the_rest_works(absent: str) -> None:
    done = python(
        """
        import jobspan
        for name in ("CeleryInstrumentor", "DramatiqInstrumentor", "CommandInstrumentor"):
            getattr(jobspan, name)().instrument()
        if "celery" not in Absent.absent and "click" not in Absent.absent:
            import celery
            print(hasattr(celery.Celery.send_task, "__wrapped__"))
        if "dramatiq" not in Absent.absent:
            from dramatiq.brokers.stub import StubBroker
            print(type(StubBroker().middleware[0]).__name__)
        """.replace("Absent.absent", repr((absent,))),
        absent=(absent,),
    )
    assert done.stderr == ""
    assert (
        done.stdout
        == {
            "dramatiq": "True\n",
            "celery": "JobspanMiddleware\n",
            "click": "JobspanMiddleware\n",
        }[absent]
    )


def test_without_an_sdk_a_publish_goes_through_and_one_line_names_the_extra() -> None:
    done = python(
        """
        import jobspan, dramatiq
        from dramatiq.brokers.stub import StubBroker
        jobspan.DramatiqInstrumentor().instrument()
        broker = StubBroker(middleware=[])
        actor = dramatiq.actor(lambda: None, actor_name="plain", broker=broker)
        options = [actor.send().options for _ in range(3)]
        print(options)
        """,
        absent=("opentelemetry.sdk",),
    )
    assert done.stdout == "[{}, {}, {}]\n"
    assert done.stderr.count("pip install 'jobspan[otlp]'") == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("installed", "line"),
    [
        ("5.2.7", "celery 5.2 is outside the supported versions (5.3 up to, not including, 5.8): not instrumented"),
        ("6.0.0", "celery 6.0 is outside the supported versions (5.3 up to, not including, 5.8): not instrumented"),
        ("5.9.1", "celery 5.9 is outside the supported versions (5.3 up to, not including, 5.8): instrumented all"),
    ],
)
def test_a_version_outside_the_range_is_one_clear_line(
    instrumentation: Instrumentation,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    installed: str,
    line: str,
) -> None:
    monkeypatch.setattr(base, "version", lambda _: installed)
    with caplog.at_level(logging.WARNING):
        instrumentation.on(CeleryInstrumentor())
    assert [record.getMessage().startswith(line) for record in caplog.records] == [True]
    assert hasattr(celery.Celery.send_task, "__wrapped__") == installed.startswith("5.9")


def test_hooks_that_cannot_be_connected_are_logged_and_taken_back(
    instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = vars(celery.Celery)["send_task"]

    def connect(*_: Any) -> None:
        raise RuntimeError("changed")

    monkeypatch.setattr("jobspan.instrumentors.celery.run_hooks.install", connect)
    with caplog.at_level(logging.WARNING):
        instrumentation.on(CeleryInstrumentor())
    assert [record.getMessage() for record in caplog.records] == [
        "celery could not be instrumented; its jobs run without spans"
    ]
    assert vars(celery.Celery)["send_task"] is before


def test_uninstrument_restores_celery(instrumentation: Instrumentation) -> None:
    watched = [signals.before_task_publish, signals.task_received, signals.task_prerun, signals.task_postrun]
    watched += [signals.worker_process_init, signals.worker_process_shutdown]
    watched += [signals.task_unknown, signals.task_rejected, signals.task_internal_error]
    methods = dict(vars(Request)), dict(vars(Consumer)), dict(vars(platforms))
    before = (vars(celery.Celery)["send_task"], [list(signal.receivers or ()) for signal in watched])
    for _ in range(3):
        CeleryInstrumentor().instrument(tracer_provider=instrumentation.provider)
        assert vars(celery.Celery)["send_task"] is not before[0]
        assert vars(Request)["on_timeout"] is not methods[0]["on_timeout"]
        assert platforms.close_open_fds is not methods[2]["close_open_fds"]
        assert vars(Consumer)["on_decode_error"] is not methods[1]["on_decode_error"]
        CeleryInstrumentor().uninstrument()
    assert (dict(vars(Request)), dict(vars(Consumer)), dict(vars(platforms))) == methods
    assert (vars(celery.Celery)["send_task"], [list(signal.receivers or ()) for signal in watched]) == before


def test_an_error_in_a_hook_is_counted_once_logged_and_never_raised(caplog: pytest.LogCaptureFixture) -> None:
    @guarded
    def hook(number: int) -> None:
        raise ValueError(number)

    assert not guard.raises
    dropped.forget()
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            hook(number)
    assert dropped.counts() == {"hook_error:hook": 3}
    assert len(caplog.records) == 1
    dropped.forget()
