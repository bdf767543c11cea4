"""What a program loads because of jobspan, by name: time cannot be trusted on a busy machine, counts can.

Each of our modules takes a program some 0.2 ms when it starts, and as long again without compiled files. So a program
loads what it uses: who adds a module to all programs sees it here. ``nox -s bench -- start-up`` says what it costs.
Eight of a script's are the ``__init__`` of the folders under ``recording`` and of ``workarounds``: a tree that is read
by folders costs 1.6 ms. One is ``forks``, the order of all that is done around a fork.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

SCRIPT = "pass"
COMMAND = """
import click

@click.command()
def main():
    pass

main()
"""
PUBLISHER = """
import celery

app = celery.Celery(broker="memory://")

@app.task
def send_receipt():
    pass

send_receipt.delay()
"""

READING_SIDE = ("analysis", "backends", "brokers", "cli", "demo", "health", "reading_settings", "runs", "server")
DEATHS = (
    "flight.reading",
    "flight.watch",
    "recording.recovery.dead_processes",
    "recording.recovery.exit_reason",
    "recording.recovery.orphan_sweep",
)
RUNS = (
    "probes.cpu",
    "probes.run_cost",
    "recording.spans.redelivery",
    "recording.spans.run_spans",
    "recording.spans.reported_runs",
)
JOBS = (
    "instrumentors.schedules",
    "recording.attributes.arguments",
    "recording.spans.batch_spans",
    "recording.spans.publish_spans",
)
CELERY = ("instrumentors.celery.publish_hooks", "instrumentors.celery.run_hooks")
DRAMATIQ = ("instrumentors.dramatiq.brokers", "instrumentors.dramatiq.middleware")
BY_HAND = ("manual_command", "instrumentors.commands.manual", "recording.spans.current_job")

HEAVY = {"argparse", "asyncio", "celery", "click", "ctypes", "django", "dramatiq", "duckdb", "grpc", "rich", "typer"}


class Loading(NamedTuple):
    """A program, how many of our modules it may load, and which it may not."""

    program: str
    most: int
    never: tuple[str, ...]


PROGRAMS = {
    "a script": Loading(SCRIPT, 86, (*READING_SIDE, *DEATHS, *RUNS, *JOBS, *CELERY, *DRAMATIQ, *BY_HAND)),
    "a command": Loading(COMMAND, 87, (*READING_SIDE, *DEATHS, *RUNS, *JOBS, *CELERY, *DRAMATIQ, *BY_HAND)),
    "a publisher": Loading(PUBLISHER, 110, (*READING_SIDE, *DEATHS[2:], *RUNS, *DRAMATIQ, *BY_HAND)),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_loads_no_more_of_ours_than_it_uses(kind: str, tmp_path: Path) -> None:
    program, most, never = PROGRAMS[kind]
    ours = _ours(_loaded(program, tmp_path))
    assert {"recording.spans.command_spans", "recording.journal.flight_log"} <= ours, "it has recorded its command"
    assert {name for name in ours if name.startswith(never)} == set()
    assert len(ours) <= most, f"{len(ours)} of our modules where {most} were expected: {sorted(ours)}"


def test_we_bring_nothing_heavy_of_others_into_a_script(tmp_path: Path) -> None:
    without = _loaded(SCRIPT, tmp_path, "jobspan_celery", "jobspan_commands", "jobspan_dramatiq")
    assert _ours(without) == set()
    assert HEAVY & {name.partition(".")[0] for name in _loaded(SCRIPT, tmp_path) - without} == set()


def _ours(loaded: set[str]) -> set[str]:
    return {name.removeprefix("jobspan.") for name in loaded if name.startswith("jobspan.")}


def _loaded(program: str, folder: Path, *disabled: str) -> set[str]:
    """Return what a program imports under ``opentelemetry-instrument``, from its first line to its exit handlers."""
    script = folder / "program.py"
    script.write_text(program)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | {
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        # OpenTelemetry's own import the libraries that they are for.
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ",".join(("asgi", "celery", "click", "django", "wsgi", *disabled)),
        "OTEL_PYTHON_JOBSPAN_STATE_DIR": str(folder / "flight"),
    }
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    started = [str(instrument), sys.executable, "-X", "importtime", str(script)]
    done = subprocess.run(started, env=environ, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stderr.splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
