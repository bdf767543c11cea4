"""A declarative configuration file, as ``opentelemetry-instrument`` reads it."""

from __future__ import annotations

import pytest

from jobspan import conventions as c
from jobspan.runs import is_command, is_publish, is_run
from support.processes import STARTED
from support.stage import Stage
from support.waiting import wait_until

pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")

FILE = """
file_format: "1.0"
resource: {{attributes: [{{name: service.name, value: shop}}]}}
{propagator}
tracer_provider:
  processors: [{{batch: {{schedule_delay: 100, exporter: {{otlp_grpc: {{endpoint: "{endpoint}"}}}}}}}}]
instrumentation/development:
  python:
    jobspan_celery: {celery}
    jobspan_commands: {commands}
"""
PROPAGATOR = "propagator: {composite: [{tracecontext: }, {baggage: }]}"


def configure(stage: Stage, *, celery: str = "{}", commands: str = "{}", propagator: str = PROPAGATOR) -> None:
    """Give the programs that start from now on a file instead of variables."""
    path = stage.folder / "otel.yaml"
    path.write_text(
        FILE.format(endpoint=stage.collector.grpc_endpoint, celery=celery, commands=commands, propagator=propagator)
    )
    stage.set(OTEL_CONFIG_FILE=str(path))


def arrived(stage: Stage, runs: int = 1) -> None:
    """Wait for run spans."""
    wait_until(lambda: sum(map(is_run, stage.collector.spans)) >= runs, deadline_s=15, what="the run arrives")


def test_what_the_file_says_of_us_holds(stage: Stage) -> None:
    configure(stage, celery='{enabled: true, relation: link, excluded_jobs: ["*.slow"]}')
    worker = stage.celery()
    stage.put("celery:slow=0", "celery:ok")
    stage.wait_until_ended(2)
    arrived(stage)
    (publish,), (run,) = filter(is_publish, stage.collector.spans), filter(is_run, stage.collector.spans)
    assert run.parent_id is None
    assert [(link.type, link.span_id) for link in run.links] == [(c.LINK_PUBLISH, publish.span_id)]
    assert run.attributes[c.JOBSPAN_JOB_NAME] == "apps.celery_app.ok"
    assert "already instrumented" not in worker.log


def test_what_the_file_disables_stays_off_though_the_loader_comes_round_again(stage: Stage) -> None:
    configure(stage, commands="{enabled: false}")
    stage.celery()
    stage.put("celery:ok")
    arrived(stage)
    assert [span.name for span in stage.collector.spans if is_command(span)] == []
    assert len(stage.collector.spans) == 2


def test_a_file_without_a_propagator_is_one_line(stage: Stage) -> None:
    configure(stage, propagator="")
    worker = stage.celery()
    stage.run("python", "-c", "from apps.celery_app import ok; ok.delay(); ok.delay()")
    arrived(stage, 2)
    producer = next(program for program in STARTED if program.name == "command")
    assert producer.log.count("the global propagator has no fields") == 1
    assert worker.log.count("unreadable") == 0
    assert {span.parent_id for span in filter(is_run, stage.collector.spans)} == {None}
