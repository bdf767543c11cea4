"""Real workers start, run the applications' jobs, write the diary, end by pid, and their trouble is noticed."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import pytest

from support.diary import Diary, TrueRun
from support.otlp import Collector
from support.processes import Program, has_members
from support.servers import Broker
from support.stage import Stage
from support.workers import CeleryWorker, Surroundings, Telemetry, troubles

UNINSTRUMENTED = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}
JOBS = ("ok", "slow=0.05", "fail", "retry_then_succeed", "autoretry_then_succeed=2", "exhaust", "nest=2", "allocate=5")
ENDS = {
    "ok": [(1, "succeeded")] * 2,
    "slow": [(1, "succeeded")],
    "fail": [(1, "failed")],
    "retry_then_succeed": [(1, "retried"), (2, "succeeded")],
    "autoretry_then_succeed": [(1, "retried"), (2, "retried"), (3, "succeeded")],
    "exhaust": [(1, "retried"), (2, "failed")],
    "nest": [(1, "succeeded")] * 2,
    "allocate": [(1, "succeeded")],
}
RUNS = sum(map(len, ENDS.values()))


def _ends(runs: tuple[TrueRun, ...], framework: str) -> dict[str, list[tuple[int, str | None]]]:
    mine = sorted((true for true in runs if true.framework == framework), key=lambda true: true.attempt)
    names = {true.job.rsplit(".", 1)[-1] for true in mine}
    return {name: [(r.attempt, r.outcome) for r in mine if r.job.rsplit(".", 1)[-1] == name] for name in names}


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_every_job_does_what_its_name_says(each_stage: Stage, framework: str) -> None:
    each_stage.set(**UNINSTRUMENTED)
    each_stage.celery() if framework == "celery" else each_stage.dramatiq()
    assert each_stage.put(*(f"{framework}:{job}" for job in JOBS), exit_code=3) == 3
    each_stage.wait_until_ended(RUNS)
    diary = each_stage.diary
    assert _ends(diary.runs, framework) == ENDS
    assert [command.exit_code for command in diary.commands] == [3]
    assert Counter((p.attempt, bool(p.by_command), bool(p.by_run)) for p in diary.publishes) == {
        (1, True, False): len(JOBS),
        (1, False, True): 2,
        (2, False, True): 3,
        (3, False, True): 1,
    }


def test_what_a_program_exports_arrives_over_either_protocol(collector: Collector, tmp_path: Path) -> None:
    emit = "from opentelemetry import trace; trace.get_tracer('t').start_span('emitted').end()"
    stage = Stage(Broker("none", "", "", 0), collector, tmp_path)
    stage.set(**UNINSTRUMENTED)
    assert stage.run("python", "-c", emit) == 0
    stage.export_over_http()
    assert stage.run("python", "-c", emit) == 0
    spans = collector.wait_for_spans(2, named="emitted")
    assert [span.resource["service.name"] for span in spans] == ["command", "command2"]
    assert {("traces", "grpc"), ("traces", "http")} <= set(collector.requests)


def test_nothing_of_the_developers_own_settings_reaches_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("OTEL_TRACES_SAMPLER", "JOBSPAN_STORE", "CELERY_BROKER_URL", "PYTHONPATH"):
        monkeypatch.setenv(name, "mine")
    around = Surroundings("b", tmp_path / "d", tmp_path, Telemetry("http://e", batch_delay_ms=None), {"JOBSPAN_X": "1"})
    env = around.environment("s")
    assert "mine" not in env.values()
    assert {name: value for name, value in env.items() if name.startswith(("OTEL_", "JOBSPAN_", "TEST_"))} == {
        "JOBSPAN_X": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://e",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,click",
        "OTEL_PYTHON_JOBSPAN_STATE_DIR": str(tmp_path / "flight"),
        "OTEL_SERVICE_NAME": "s",
        "OTEL_TRACES_EXPORTER": "otlp",
        "TEST_BROKER_URL": "b",
        "TEST_DIARY": str(tmp_path / "d"),
    }


def test_a_worker_that_cannot_start_is_told_with_its_output(redis: Broker, tmp_path: Path) -> None:
    around = Surroundings(redis.url, tmp_path / "diary", tmp_path, Telemetry(None), UNINSTRUMENTED)
    with pytest.raises(RuntimeError, match=r"(?s)celery ended before it said ' ready.'.*no_such_app"):
        CeleryWorker(around, app="no_such_app").start()


def _python(folder: Path, code: str, *, stop_s: float = 5) -> Program:
    return Program([sys.executable, "-u", "-c", code], env={}, folder=folder, name="p", stop_s=stop_s)


DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
FAMILY = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {DEAF!r}]); time.sleep(60)"


def test_a_program_that_does_not_listen_is_killed_after_the_deadline(tmp_path: Path) -> None:
    with _python(tmp_path, DEAF, stop_s=0.2) as program:
        program.wait_for_log("deaf")
    assert program.stop() == -9


def test_a_programs_children_end_with_it(tmp_path: Path) -> None:
    with _python(tmp_path, FAMILY) as program:
        program.wait_for_log("deaf")
    assert not has_members(program.pid)


TRACEBACK = "Traceback (most recent call last):"
LOG = """
[2026] Task x raised unexpected: CardDeclined('no')
Traceback (most recent call last):
  File "x.py", line 1, in f
    raise BankUnreachable
apps.errors.BankUnreachable: bank answered 503

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "x.py", line 2, in g
    raise CardDeclined
apps.errors.CardDeclined: card declined
"""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Traceback (most recent call last):\n  File \"y\"\nKeyError: 'a'", "KeyError: 'a'"),
        ('  | Traceback (most recent call last):\n  |   File "y"\n  | OSError: b', "| OSError: b"),
        (
            "".join(f"[2026: WARNING/Main] {line}\n" for line in (TRACEBACK, "  File y", "    ", "f()", "KeyError")),
            "KeyError",
        ),
        ("Queue full, dropping span", "Queue full, dropping span"),
        ("3 events dropped", "3 events dropped"),
        ("Failed to export traces", "Failed to export traces"),
        ("Instrumenting of jobspan_celery failed", "Instrumenting of jobspan_celery failed"),
        ("\x1b[31mError in sitecustomize\x1b[0m", "Error in sitecustomize"),
    ],
)
def test_unannounced_trouble_is_found_and_announced_trouble_is_not(line: str, told: str) -> None:
    assert troubles(LOG) == ()
    assert troubles(LOG + line + "\n[2026] next") == (told,)
    assert troubles(LOG + line, expect=["KeyError", "OSError", "(?i)dropp", "export", "Instrum", "sitecus"]) == ()


def test_trouble_fails_the_test_that_did_not_announce_it(collector: Collector, tmp_path: Path) -> None:
    stage = Stage(Broker("none", "", "", 0), collector, tmp_path)
    stage.set(**UNINSTRUMENTED)
    with pytest.raises(AssertionError, match="KeyError: 'lost'"):
        stage.run("python", "-c", "raise KeyError('lost')")
    assert stage.run("python", "-c", "raise KeyError('lost')", expect=["^KeyError"]) == 1


COUNT_A_DROP = """
from opentelemetry import metrics
metrics.get_meter("jobspan").create_counter("jobspan.telemetry.dropped").add(1, {"reason": "garbage"})
"""


def test_a_counted_drop_fails_the_test_that_did_not_provoke_it(collector: Collector, tmp_path: Path) -> None:
    stage = Stage(Broker("none", "", "", 0), collector, tmp_path)
    stage.set(**UNINSTRUMENTED)
    stage.run("python", "-c", COUNT_A_DROP)
    with pytest.raises(AssertionError, match=r"telemetry was dropped.*garbage"):
        stage.close()
    stage.expected_drops.add("garbage")
    stage.close()


def test_a_line_still_being_written_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "diary"
    whole = {"event": "command_begin", "name": "c", "pid": 1, "time_ns": 1}
    path.write_text(json.dumps(whole) + "\n" + json.dumps(whole)[:9])
    assert Diary(path).lines == (whole,)
