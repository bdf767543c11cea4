"""``jobspan doctor`` as a real program, over real workers, brokers and servers, and provoked troubles."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.otlp_server import Server
from support.ports import LOOPBACK, free_port
from support.servers import RabbitMQ
from support.stage import Stage
from support.workers import script

PASSWORD = "hunter2"


@pytest.fixture
def server(stage: Stage) -> Iterator[Server]:
    """A running ``jobspan serve``, to which the programs of the test send."""
    with Server(stage.folder / "spans.duckdb") as serving:
        stage.export(endpoint=f"http://{serving.grpc}")
        yield serving
        # What still sends to it is stopped first.
        stage.close()


def examine(stage: Stage, *words: str, code: int, **variables: str) -> list[dict[str, Any]]:
    """Type ``jobspan doctor``; return its steps."""
    env = stage.around.environment("doctor") | {"XDG_DATA_HOME": str(stage.folder), **variables}
    line = [script("jobspan"), "doctor", "--json", "--broker", stage.broker.url, *words]
    done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=100, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return list(json.loads(done.stdout)["steps"])


def of(kind: str, steps: list[dict[str, Any]]) -> list[tuple[str | None, str]]:
    return [(step["grade"], step["seen"]) for step in steps if step["kind"] == kind]


def bad(steps: list[dict[str, Any]]) -> list[str]:
    return [step["kind"] for step in steps if step["grade"] in ("warning", "critical")]


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_the_canary_comes_back_from_a_worker_that_knows_it(framework: str, stage: Stage, server: Server) -> None:
    stage.set(OTEL_PYTHON_JOBSPAN_CANARY="true")
    stage.celery() if framework == "celery" else stage.dramatiq()
    steps = examine(stage, "--backend", server.http, "--canary", "--framework", framework, code=0)
    assert bad(steps) == []
    published, run, arrived = of("canary", steps)
    assert published[1].startswith(f"published on {'work' if framework == 'celery' else 'jobspan-canary'} ")
    assert (run[1].startswith("run by "), run[1].endswith(" ms")) == (True, True)
    assert "its span has arrived" in arrived[1]


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_the_canary_flies_over_rabbitmq_and_is_refused_where_nobody_knows_it(
    framework: str, rabbitmq_stage: Stage, rabbitmq_server: RabbitMQ
) -> None:
    stage = rabbitmq_stage
    words = (
        "--canary",
        "--framework",
        framework,
        "--management",
        f"http://{LOOPBACK}:{rabbitmq_server.management_port}",
    )
    with Server(stage.folder / "spans.duckdb") as server:
        stage.export(endpoint=f"http://{server.grpc}")
        start = stage.celery if framework == "celery" else stage.dramatiq
        stranger = start()
        ((_, seen),) = of("canary", examine(stage, "--backend", server.http, *words, code=2))
        assert seen.startswith("refused, nothing was put: ")
        stranger.stop()
        stage.set(OTEL_PYTHON_JOBSPAN_CANARY="true")
        start()
        found = of("canary", examine(stage, "--backend", server.http, *words, code=0))
        assert [grade for grade, _ in found] == ["healthy"] * 3
        stage.close()


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_the_canary_is_refused_where_a_worker_does_not_know_it(framework: str, stage: Stage, server: Server) -> None:
    stage.celery() if framework == "celery" else stage.dramatiq()
    steps = examine(stage, "--backend", server.http, "--canary", "--framework", framework, code=2)
    ((grade, seen),) = of("canary", steps)
    assert (grade, seen.startswith("refused, nothing was put: ")) == ("critical", True)


def test_one_worker_that_does_not_know_the_canary_is_enough_to_refuse_its_queue(stage: Stage, server: Server) -> None:
    stage.celery()
    stage.set(OTEL_PYTHON_JOBSPAN_CANARY="true")
    stage.celery()
    steps = examine(stage, "--backend", server.http, "--canary", "--queue", "work", code=2)
    ((_, seen),) = of("canary", steps)
    assert "takes from work and does not know it" in seen


def test_no_worker_is_a_reason_to_refuse(stage: Stage, server: Server) -> None:
    steps = examine(stage, "--backend", server.http, "--canary", code=2)
    assert of("canary", steps) == [("critical", "refused, nothing was put: no Celery worker answers")]


def test_the_leg_that_fails_is_the_collector_where_the_worker_sends_elsewhere(stage: Stage, server: Server) -> None:
    stage.set(OTEL_PYTHON_JOBSPAN_CANARY="true", OTEL_TRACES_EXPORTER="none")
    stage.celery()
    steps = examine(stage, "--backend", server.http, "--canary", "--timeout", "5", code=2, OTEL_TRACES_EXPORTER="otlp")
    published, lost = of("canary", steps)
    assert published[0] == "healthy"
    assert lost == ("critical", "a worker took it, and no span of its run has arrived within 5 s")


@pytest.mark.parametrize(
    ("variables", "kind", "seen"),
    [
        ({"OTEL_TRACES_EXPORTER": "none"}, "exporter", "OTEL_TRACES_EXPORTER is none: no span leaves"),
        ({"OTEL_SDK_DISABLED": "true"}, "exporter", "OTEL_SDK_DISABLED=true: nothing is recorded"),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "sampler", "OTEL_TRACES_SAMPLER=always_off records no trace"),
        (
            {"OTEL_PYTHON_JOBSPAN_RELATON": "link"},
            "variable",
            "OTEL_PYTHON_JOBSPAN_RELATON is no variable that is known",
        ),
        (
            {"OTEL_PYTHON_JOBSPAN_RELATION": "sibling"},
            "variable",
            "OTEL_PYTHON_JOBSPAN_RELATION=sibling is not understood",
        ),
        ({"OTEL_CONFIG_FILE": "/absent.yaml"}, "exporter", "/absent.yaml cannot be read"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "jobspan_celery"}, "instrumentation", "jobspan_celery is disabled"),
        (
            {"OTEL_PYTHON_JOBSPAN_COEXIST": "true", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": ""},
            "instrumentation",
            "celery and jobspan_celery both load: spans come twice",
        ),
    ],
)
def test_a_variable_that_keeps_spans_from_arriving_is_found(
    stage: Stage, server: Server, variables: dict[str, str], kind: str, seen: str
) -> None:
    steps = examine(stage, "--backend", server.http, code=_worst(variables), **variables)
    assert [found for grade, found in of(kind, steps) if grade != "healthy" and found.startswith(seen)]


def _worst(variables: dict[str, str]) -> int:
    deadly = {"OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER", "OTEL_CONFIG_FILE"}
    return 2 if deadly & variables.keys() else 1


def test_a_state_folder_that_cannot_be_used_is_a_warning(stage: Stage, server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    steps = examine(
        stage, "--backend", server.http, code=1, OTEL_PYTHON_JOBSPAN_STATE_DIR=str(tmp_path / "file" / "flight")
    )
    assert "state folder" in bad(steps)


def test_a_dead_collector_broker_and_backend_are_critical_and_no_password_is_told(stage: Stage) -> None:
    dead = f"user:{PASSWORD}@{LOOPBACK}:{free_port()}"
    steps = examine(
        stage,
        *("--broker", f"redis://{dead}/0", "--backend", f"http://{LOOPBACK}:{free_port()}", "--canary"),
        code=2,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{dead}",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    assert {"collector", "broker", "backend"} <= set(bad(steps))


def test_the_other_protocols_port_is_a_warning(stage: Stage) -> None:
    steps = examine(
        stage,
        code=2,
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{LOOPBACK}:4317",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
    )
    assert ("warning", "traces go to port 4317 over http/protobuf: that is usually the other protocol's port") in of(
        "exporter", steps
    )


def test_other_tracers_are_told(stage: Stage, server: Server) -> None:
    told = of("beside", examine(stage, "--backend", server.http, code=0))
    whose = {"ddtrace": "Datadog's", "sentry_sdk": "Sentry's"}
    expected = [name for module, name in whose.items() if importlib.util.find_spec(module)]
    assert [f"{name} spans go where it sends them" in seen for name, (_, seen) in zip(expected, told, strict=True)] == [
        True for _ in expected
    ]


def test_an_instrumentation_that_does_not_load_and_one_that_tells_of_the_same_are_warnings(
    stage: Stage, server: Server
) -> None:
    _install(stage.folder, "broken", "broken = absent_module:Instrumentor")
    _install(stage.folder, "opentelemetry-instrumentor-dramatiq", "")
    told = of("instrumentation", examine(stage, "--backend", server.http, code=1))
    assert [seen for grade, seen in told if grade == "warning"] == [
        "broken does not load: ModuleNotFoundError: No module named 'absent_module'",
        "opentelemetry-instrumentor-dramatiq is installed: its spans come beside ours",
    ]


def _install(folder: Path, name: str, entry_point: str) -> None:
    """Put a distribution on the path of the test's programs."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{entry_point}\n")


def test_a_canary_that_nobody_takes_says_so(stage: Stage, server: Server) -> None:
    stage.set(OTEL_PYTHON_JOBSPAN_CANARY="true")
    # Its last call is not old enough to tell that it is gone.
    stage.dramatiq().kill()
    words = ("--canary", "--framework", "dramatiq", "--timeout", "3")
    published, lost = of("canary", examine(stage, "--backend", server.http, *words, code=2))
    assert (published[0], lost) == ("healthy", ("critical", "no worker took it within 3 s"))
