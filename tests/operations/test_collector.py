"""The Collector configurations are taken by the real Collector, and do to real workers' spans what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobspan import conventions as c
from jobspan.runs import is_run
from support.otelcol import CONFIG, OtelCollector, complaint_about
from support.ports import LOOPBACK
from support.stage import Stage
from support.waiting import wait_until

CONFIGS = sorted(CONFIG.glob("*.yaml"))
RUNNABLE = [path for path in CONFIGS if path.name != "service-graph.yaml"]
OLD_NAMES = {
    "otlp_grpc": "otlp",
    "otlp_http": "otlphttp",
    "span_metrics": "spanmetrics",
    "signal_to_metrics": "signaltometrics",
    "delta_to_cumulative": "deltatocumulative",
}


@pytest.mark.parametrize("config", RUNNABLE, ids=lambda path: path.stem)
def test_the_collector_takes_each_configuration(config: Path) -> None:
    assert complaint_about(config) == ""


@pytest.mark.parametrize("config", RUNNABLE, ids=lambda path: path.stem)
def test_the_collector_takes_the_old_names_too(config: Path, tmp_path: Path) -> None:
    text = config.read_text()
    for new, old in OLD_NAMES.items():
        text = text.replace(new, old)
    (tmp_path / config.name).write_text(text)
    assert complaint_about(tmp_path / config.name) == ""


def test_of_the_service_graph_only_the_connector_is_unknown_to_the_collector_of_the_tests() -> None:
    complaint = complaint_about(CONFIG / "service-graph.yaml")
    assert complaint.count("unknown type") == 1
    assert "'connectors' unknown type: \"servicegraph\"" in complaint


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
        stage.run("python", "-c", code)
        spans = stage.collector.wait_for_spans(4)
        stage.close()
    (run,) = filter(is_run, spans)
    (event,) = run.events
    for text in (run.status_message, event.attributes[c.EXCEPTION_MESSAGE], event.attributes[c.EXCEPTION_STACKTRACE]):
        assert "<e-mail> paid with <card>" in str(text)
    (other,) = (span for span in spans if span.name == "x")
    assert other.attributes == {"t": "<token>", "u": "amqp://<credentials>@broker/"}


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
