"""``jobspan health`` and ``jobspan monitor`` as real programs, over conditions that a test brings about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from jobspan import conventions as c
from jobspan.cli.app import jobspan
from jobspan.cli.environment import Environment
from jobspan.health.findings import Grade
from jobspan.health.monitor import watch_broker
from support.otlp import Collector
from support.otlp_values import Point
from support.processes import Program
from support.servers import Broker, Redis
from support.stage import Stage
from support.waiting import wait_until
from support.workers import Surroundings, Telemetry, script

EVERY_S = "0.5"


def _health(url: str, *words: str) -> tuple[int, list[tuple[str, str, str | None]]]:
    """Return exit code and findings of ``jobspan health``, telemetry left aside."""
    world = Environment(has_default_store=lambda: False, environ={"JOBSPAN_BROKER": url})
    result = CliRunner().invoke(jobspan, ["health", "--json", *words], obj=world)
    said = json.loads(result.stdout)
    return result.exit_code, [(found["kind"], found["grade"], found["queue"]) for found in said["findings"]]


def test_celery_jobs_without_a_worker_are_critical_until_one_starts(stage: Stage) -> None:
    stage.put("celery:slow=1", "celery:ok")
    assert _health(stage.broker.url) == (2, [("no_worker", "critical", "work")])
    stage.celery()
    assert _health(stage.broker.url) == (0, [])


def test_a_backlog_and_an_old_job_are_warnings_by_the_limits_of_their_queue(stage: Stage) -> None:
    stage.set(dramatiq_queue_prefetch="1")
    stage.dramatiq(threads=1, stop_s=0.5)
    stage.put("dramatiq:slow=60")
    wait_until(lambda: stage.diary.runs, deadline_s=20, what="the long job begins")
    stage.put(*["dramatiq:ok"] * 3)
    assert _health(stage.broker.url) == (0, [])
    assert _health(stage.broker.url, "--limit", "work: waiting=2") == (1, [("waiting", "warning", "work")])
    wait_until(
        lambda: _health(stage.broker.url, "--limit", "work: oldest=2s") == (1, [("oldest", "warning", "work")]),
        deadline_s=20,
        what="the next job is older than 2 s, and not yet critical",
    )


def test_dramatiq_jobs_whose_worker_was_killed_are_found_after_it_went_offline(stage: Stage) -> None:
    worker = stage.dramatiq(threads=1)
    worker.kill()
    stage.put("dramatiq:ok")
    # Ready for over 10 s, and held by nobody.
    wait_until(
        lambda: _health(stage.broker.url) == (2, [("no_worker", "critical", "work")]),
        deadline_s=20,
        what="nobody takes the job",
    )


def test_the_monitor_reports_over_otlp_and_says_what_changes(
    own_redis: Redis, collector: Collector, tmp_path: Path
) -> None:
    broker = own_redis.database()
    stage = Stage(broker, collector, tmp_path)
    stage.put("celery:ok", "dramatiq:ok")
    with _monitor(broker, collector, tmp_path) as monitor:
        monitor.wait_for_log("critical")
        depth = _newest(collector, c.METRIC_QUEUE_DEPTH)
        assert depth["celery", "ready"].value == 1
        assert depth["celery", "ready"].attributes == {
            c.MESSAGING_SYSTEM: "redis",
            c.SERVER_ADDRESS: broker.host,
            c.SERVER_PORT: broker.port,
            c.MESSAGING_DESTINATION_NAME: "work",
            c.JOBSPAN_FRAMEWORK: "celery",
            c.JOBSPAN_QUEUE_STATE: "ready",
        }
        assert sorted(depth) == [
            *(("celery", state) for state in ("delayed", "ready", "unacked")),
            *(("dramatiq", state) for state in ("dead", "delayed", "ready", "unacked")),
        ]
        assert _newest(collector, c.METRIC_WORKERS)["celery", None].value == 0
        assert _newest(collector, c.METRIC_QUEUE_HEALTH)["celery", None].value == 2
        age_s = _newest(collector, c.METRIC_QUEUE_OLDEST_AGE)["dramatiq", None].value
        assert isinstance(age_s, float)
        assert 0 < age_s < 60
        workers = stage.celery(), stage.dramatiq()
        stage.wait_until_ended(2)
        monitor.wait_for_log("healthy")
        for worker in workers:
            worker.stop()
        own_redis.kill()
        monitor.wait_for_log("cannot be reached")
        own_redis.restart()
        monitor.wait_for_log("healthy", times=2)
        assert monitor.stop() == 0
    stage.close()


def test_a_program_that_watches_its_broker_reports_it_until_it_stops(redis: Broker, stage: Stage) -> None:
    stage.put("celery:ok")
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    with watch_broker(redis.url, every_s=0.1, limits="work: workers=off", meter_provider=provider):
        assert _told(reader, c.METRIC_QUEUE_DEPTH, c.QUEUE_READY) == 1
        assert _told(reader, c.METRIC_QUEUE_HEALTH) == Grade.HEALTHY
        stage.put("celery:ok")
        wait_until(lambda: _told(reader, c.METRIC_QUEUE_DEPTH, c.QUEUE_READY) == 2, deadline_s=20, what="a second job")
    wait_until(lambda: _told(reader, c.METRIC_QUEUE_DEPTH, c.QUEUE_READY) is None, deadline_s=20, what="no more points")
    provider.shutdown()


def _told(reader: InMemoryMetricReader, name: str, state: str | None = None) -> float | None:
    """Return what a metric tells now of a queue, and of a state where it has such; None: nothing."""
    data = reader.get_metrics_data()
    resources = data.resource_metrics if data else ()
    metrics = [metric for each in resources for scope in each.scope_metrics for metric in scope.metrics]
    points: list[Any] = [point for metric in metrics if metric.name == name for point in metric.data.data_points]
    of_queue = [point for point in points if c.JOBSPAN_FRAMEWORK in point.attributes]
    return next((p.value for p in of_queue if p.attributes.get(c.JOBSPAN_QUEUE_STATE) == state), None)


def _monitor(broker: Broker, collector: Collector, folder: Path) -> Program:
    around = Surroundings(broker.url, folder / "none", folder, Telemetry(collector.grpc_endpoint))
    # Nobody's own store is asked.
    env = around.environment("monitor") | {"JOBSPAN_BROKER": broker.url, "XDG_DATA_HOME": str(folder)}
    return Program([script("jobspan"), "monitor", "--every", EVERY_S], env=env, folder=folder, name="monitor")


def _newest(collector: Collector, name: str) -> dict[tuple[Any, Any], Point]:
    """Wait for points of a metric; return the newest by framework and state."""

    def of_name() -> list[Point]:
        return [point for point in collector.points if point.name == name and c.JOBSPAN_FRAMEWORK in point.attributes]

    wait_until(of_name, deadline_s=20, what=f"points of {name}")
    return {
        (point.attributes[c.JOBSPAN_FRAMEWORK], point.attributes.get(c.JOBSPAN_QUEUE_STATE)): point
        for point in of_name()
    }
