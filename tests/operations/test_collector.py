"""The Collector configurations are taken by the real Collector, and do to real workers' spans what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobspan import conventions as c
from jobspan.backends import open_backend
from jobspan.backends.base import Backend, Match, RunFilter
from jobspan.runs import is_run
from support import plain_http
from support.compare import assert_true
from support.jaeger import Jaeger
from support.otelcol import CONFIG, OtelCollector, complaint_about
from support.ports import LOOPBACK
from support.stage import Stage
from support.waiting import wait_until

CONFIGS = sorted(CONFIG.glob("*.yaml"))
OLD_NAMES = {
    "otlp_grpc": "otlp",
    "otlp_http": "otlphttp",
    "span_metrics": "spanmetrics",
    "signal_to_metrics": "signaltometrics",
    "delta_to_cumulative": "deltatocumulative",
}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_collector_takes_each_configuration(config: Path) -> None:
    assert complaint_about(config) == ""


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_the_collector_takes_the_old_names_too(config: Path, tmp_path: Path) -> None:
    text = config.read_text()
    for new, old in OLD_NAMES.items():
        text = text.replace(new, old)
    (tmp_path / config.name).write_text(text)
    assert complaint_about(tmp_path / config.name) == ""


@contextmanager
def through(config: str, stage: Stage, folder: Path, **variables: str) -> Iterator[OtelCollector]:
    """Let the stage's programs export to a Collector, and the Collector to the stage's own."""
    with OtelCollector(config, folder, backend=f"{LOOPBACK}:{stage.collector.grpc_port}", **variables) as otelcol:
        # These configurations take spans only.
        stage.set(OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
        stage.export(endpoint=otelcol.grpc_endpoint)
        yield otelcol


def runs(stage: Stage) -> list[tuple[str, str]]:
    """Return job name and outcome of the run spans that arrived."""
    spans = [span.attributes for span in stage.collector.spans if is_run(span)]
    told = ((str(span[c.JOBSPAN_JOB_NAME]), str(span[c.JOBSPAN_JOB_OUTCOME])) for span in spans)
    return sorted((name.rpartition(".")[2], outcome) for name, outcome in told)


@pytest.mark.parametrize(
    ("config", "variable", "port"),
    [("to-jaeger.yaml", "JAEGER_OTLP", "grpc_port"), ("to-tempo.yaml", "TEMPO_OTLP", "http_port")],
)
def test_spans_go_on_whole(stage: Stage, tmp_path: Path, config: str, variable: str, port: str) -> None:
    address = f"{LOOPBACK}:{getattr(stage.collector, port)}"
    given = {variable: address if port == "grpc_port" else f"http://{address}"}
    with through(config, stage, tmp_path, **given):
        stage.celery(concurrency=1)
        stage.put("celery:ok", "celery:fail")
        # A command, two publishes, two runs.
        spans = stage.collector.wait_for_spans(5)
        stage.close()
    assert len({span.trace_id for span in spans}) == 1
    assert runs(stage) == [("fail", "failed"), ("ok", "succeeded")]


def test_what_workers_did_is_told_true_by_a_jaeger_behind_the_collector(
    stage: Stage, own_jaeger: Jaeger, tmp_path: Path
) -> None:
    with through("to-jaeger.yaml", stage, tmp_path, JAEGER_OTLP=own_jaeger.grpc_endpoint.removeprefix("http://")):
        stage.celery(concurrency=1)
        stage.dramatiq()
        stage.put("celery:ok", "celery:exhaust", "celery:nest", "dramatiq:fail")
        backend = open_backend(url=f"jaeger={own_jaeger.url}")
        wait_until(lambda: told_done(backend) == (5, 5), deadline_s=40, what="all jobs are done in Jaeger")
        (command,) = backend.commands(RunFilter())
        assert_true(backend.story(Match("command", command.id)), stage.diary)


def told_done(backend: Backend) -> tuple[int, int]:
    """Return how many jobs the one command has put, and how many are done."""
    return next(((command.put, command.done) for command in backend.commands(RunFilter())), (0, 0))


def test_the_service_graph_has_an_edge_where_runs_are_children_of_their_publishes(stage: Stage, tmp_path: Path) -> None:
    with through("service-graph.yaml", stage, tmp_path, FLUSH_INTERVAL="1s") as otelcol:
        for relation in ("link", "child+link"):
            stage.set(OTEL_PYTHON_JOBSPAN_RELATION=relation)
            worker = stage.celery(concurrency=1, name=f"worker {relation}")
            stage.put("celery:ok", "celery:fail")
            stage.wait_until_ended(2 if relation == "link" else 4)
            worker.stop()
        wait_until(lambda: edges(otelcol), deadline_s=30, what="an edge")
        stage.close()
        found = edges(otelcol)
    assert {server for _, server in found} == {"worker child+link"}


def edges(otelcol: OtelCollector) -> set[tuple[str, str]]:
    """Return who calls whom by the metrics of the service graph."""
    told = plain_http.get(f"http://{LOOPBACK}:{otelcol.scrape_port}/metrics", timeout=10).text
    lines = (line for line in told.splitlines() if line.startswith("traces_service_graph_request_total{"))
    said = (dict(re.findall(r'(\w+)="([^"]*)"', line)) for line in lines)
    return {(edge["client"], edge["server"]) for edge in said}


def test_a_run_that_fails_after_the_sampler_has_decided_is_kept_and_others_are_not(
    stage: Stage, tmp_path: Path
) -> None:
    with through("keep-failures.yaml", stage, tmp_path, DECISION_WAIT="1s", KEPT_PERCENT="0", SLOW_MS="60000"):
        stage.celery(app="apps.operations_app", concurrency=2)
        stage.put("operations:ok", "operations:fails_after=4")
        wait_until(lambda: runs(stage) == [("fails_after", "failed")], deadline_s=30, what="the late failure arrives")
        assert len(stage.collector.spans) == 1
        stage.put("operations:ok", "operations:fail")
        # In time its whole tree is kept: a command, two publishes, two runs.
        stage.collector.wait_for_spans(6)
        stage.close()
    assert runs(stage) == [("fail", "failed"), ("fails_after", "failed"), ("ok", "succeeded")]
    ids = [span.span_id for span in stage.collector.spans]
    assert len(ids) == len(set(ids))


def test_slow_traces_and_a_share_of_the_rest_are_kept(stage: Stage, tmp_path: Path) -> None:
    with through("keep-failures.yaml", stage, tmp_path, DECISION_WAIT="1s", KEPT_PERCENT="0", SLOW_MS="500"):
        stage.celery(concurrency=1)
        stage.put("celery:slow=0.6")
        stage.collector.wait_for_spans(3)
        stage.close()
    assert runs(stage) == [("slow", "succeeded")]


def test_personal_data_and_secrets_do_not_pass_redaction(stage: Stage, tmp_path: Path) -> None:
    with through("redaction.yaml", stage, tmp_path):
        stage.celery(app="apps.operations_app", concurrency=1)
        stage.put(f"operations:tells_too_much={json.dumps('ann@example.org paid with 4111 1111 1111 1111')}")
        # Of other programs nobody has redacted anything yet.
        said = {"t": "Bearer abc.def-1", "u": "amqp://ann:secret@broker/", c.JOBSPAN_JOB_ARGS: "(1,)"}
        code = f"from opentelemetry import trace; trace.get_tracer('x').start_span('x', attributes={said}).end()"
        stage.set(OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process")
        stage.run("python", "-c", code)
        spans = stage.collector.wait_for_spans(4)
        stage.close()
    (run,) = filter(is_run, spans)
    (event,) = run.events
    for text in (run.status_message, event.attributes[c.EXCEPTION_MESSAGE], event.attributes[c.EXCEPTION_STACKTRACE]):
        assert "<e-mail> paid with <card>" in str(text)
    (other,) = (span for span in spans if span.name == "x")
    assert other.attributes == {"t": "<token>", "u": "amqp://<credentials>@broker/"}
    assert "process.pid" in other.resource
    assert not [name for name in other.resource if name.startswith("process.command")]


def test_files_have_a_line_for_what_was_exported(stage: Stage, tmp_path: Path) -> None:
    with OtelCollector("to-files.yaml", tmp_path, FILES=str(tmp_path)) as otelcol:
        stage.export(endpoint=otelcol.grpc_endpoint)
        stage.celery(concurrency=1)
        stage.put("celery:ok")
        wait_until(lambda: "run apps.celery_app.ok" in written(tmp_path, "traces"), deadline_s=20, what="the run")
        wait_until(lambda: c.METRIC_PROCESS_DURATION in written(tmp_path, "metrics"), deadline_s=20, what="the metric")
        stage.close()
    for line in (written(tmp_path, "traces") + written(tmp_path, "metrics")).splitlines():
        json.loads(line)


def written(folder: Path, signal: str) -> str:
    """Return what a file has so far."""
    path = folder / f"{signal}.jsonl"
    return path.read_text() if path.exists() else ""
