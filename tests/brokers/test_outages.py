"""Servers that go away under load and come back, the broker and the collector: what is told is what happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from apps.load import FAILED
from jobspan import conventions as c
from jobspan.runs import Span, is_publish
from support.compare import Truth, assert_true, lies
from support.deaths import Quiet, load, once
from support.otlp import Collector
from support.servers import Broker, RabbitMQ, Redis
from support.stage import Stage
from support.waiting import wait_until

LOAD_S = 8.0
WORKERS = {
    "celery": {"concurrency": 2, "expect": (".",)},
    "dramatiq": {"processes": 2, "threads": 2, "expect": (".",)},
}


@pytest.fixture(params=["own_redis", "own_rabbitmq"])
def own_server(request: pytest.FixtureRequest) -> Redis | RabbitMQ:
    """A broker that the test may kill."""
    server: Redis | RabbitMQ = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def own_stage(own_server: Redis | RabbitMQ, collector: Collector, tmp_path: Path) -> Iterator[Stage]:
    """A stage over it."""
    broker: Broker = own_server.database() if isinstance(own_server, Redis) else own_server.virtual_host()
    stage = Stage(broker, collector, tmp_path)
    try:
        yield stage
    finally:
        stage.close()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_a_broker_that_is_killed_and_started_again_under_load(
    own_stage: Stage, own_server: Redis | RabbitMQ, framework: str
) -> None:
    worker = getattr(own_stage, framework)(**WORKERS[framework])
    producer = load(own_stage, LOAD_S, f"{framework}:ok", f"{framework}:slow=0.05")
    own_stage.wait_until_ended(40)
    own_server.kill()
    wait_until(lambda: FAILED in producer.log, deadline_s=30, what="a publish fails")
    own_server.restart()
    producer.wait(60)
    wait_until(Quiet(own_stage), deadline_s=60, what="nothing runs any more")
    worker.stop()
    spans = once(own_stage.collector.spans)
    failed = [span for span in spans if is_publish(span) and span.status == "error"]
    assert len(failed) == producer.log.count(FAILED) > 0
    assert not lies_but_of(failed, spans, own_stage)


def lies_but_of(failed: Sequence[Span], spans: Sequence[Span], stage: Stage) -> tuple[str, ...]:
    """Hold the spans against the diary, without the jobs of which even their publisher cannot say if they were put."""
    unclear = {span.attributes.get(c.MESSAGING_MESSAGE_ID) for span in failed}
    truth = Truth.of(stage.diary)
    clear = replace(
        truth,
        runs=tuple(run for run in truth.runs if run.job_id not in unclear),
        publishes=tuple(put for put in truth.publishes if put.job_id not in unclear),
    )
    return lies([span for span in spans if span.attributes.get(c.MESSAGING_MESSAGE_ID) not in unclear], clear)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_collector_that_is_slow_killed_and_started_again_under_load(
    stage: Stage, framework: str, protocol: str
) -> None:
    with Collector() as steady:
        # The exporter of the workers gives up soon, and what it gives up is lost to the SDK.
        over_http = protocol != "grpc"
        stage.export(endpoint=stage.collector.http_endpoint if over_http else stage.collector.grpc_endpoint)
        stage.export(protocol=protocol, batch_delay_ms=200)
        stage.set(OTEL_EXPORTER_OTLP_TIMEOUT="1")
        worker = getattr(stage, framework)(**WORKERS[framework])
        stage.export(endpoint=steady.grpc_endpoint, protocol="grpc")
        producer = load(stage, LOAD_S, f"{framework}:ok", f"{framework}:slow=0.05")
        stage.collector.delay_s = 0.5
        stage.wait_until_ended(80)
        stage.collector.kill()
        stage.wait_until_ended(200)
        stage.collector.delay_s = 0.0
        stage.collector.restart()
        producer.wait(60)
        wait_until(Quiet(stage), deadline_s=60, what="nothing runs any more")
        worker.stop()
        assert_true(once([*stage.collector.spans, *steady.spans]), stage.diary)
