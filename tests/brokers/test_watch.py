"""``jobspan show ID --watch`` beside a command that really runs: followed from its publishes to its end."""

from __future__ import annotations

import os

import pytest

from backends.otlp_server import Server
from jobspan.backends.base import CommandSeen, RunFilter
from jobspan.backends.remote import RemoteBackend
from support.processes import Program
from support.stage import Stage
from support.waiting import wait_until
from support.workers import TESTS, script

COMMAND = str(TESTS / "apps" / "patient_command.py")


@pytest.mark.parametrize(
    ("events", "left"),
    [
        ("true", "running 1, waiting 0, ends in about "),
        ("false", "not done 1 (running or waiting: no started events tell), ends in about "),
    ],
)
def test_a_running_command_is_followed_until_it_and_its_jobs_have_ended(stage: Stage, events: str, left: str) -> None:
    gate = stage.folder / "gate"
    os.mkfifo(gate)
    with Server(stage.folder / "spans.duckdb") as server:
        stage.export(endpoint=f"http://{server.grpc}")
        stage.set(OTEL_PYTHON_JOBSPAN_STARTED_EVENTS=events)
        worker = stage.celery(concurrency=1)
        command = stage.program("python", COMMAND, str(gate), "0.1", "2")
        args = [script("jobspan"), "show", _once_seen(server).id, "--watch", "--backend", server.http]
        with Program(args, env=stage.around.environment("watch"), folder=stage.folder, name="watch") as watch:
            watch.wait_for_log(f"put 2, done 1, failed 0, {left}")
            watch.wait_for_log("put 2, done 2, failed 0")
            assert watch.is_alive  # the command could put more
            gate.write_text("go")
            assert (command.wait(), watch.wait()) == (0, 0)
            told = watch.log.rpartition("put 2, done 2")[2]
            assert "patient_command.py" in told
            assert "apps.celery_app.slow" in told
        worker.stop()  # while somebody takes its last metrics


def _once_seen(server: Server) -> CommandSeen:
    backend = RemoteBackend(server.http)
    found: list[CommandSeen] = []

    def is_seen() -> bool:
        found[:] = [seen for seen in backend.commands(RunFilter()) if seen.put == 2]
        return bool(found)

    try:
        wait_until(is_seen, deadline_s=20, what="the command and its publishes are seen")
    finally:
        backend.close()
    return found[0]
