"""The monitor's metrics: what was seen last, nothing of what is not known, nothing stale."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from jobspan import conventions as c
from jobspan.brokers.base import BrokerState, QueueState
from jobspan.health.check import Health
from jobspan.health.limits import LimitRules
from jobspan.health.monitor import Monitor
from jobspan.health.points import POINTS
from jobspan.jobs import Framework
from unit.health.twin_broker import BROKER as BROKER_ITSELF
from unit.health.twin_broker import TwinBroker

BROKER = {c.MESSAGING_SYSTEM: "redis", c.SERVER_ADDRESS: "localhost", c.SERVER_PORT: 6379}
WORK = BROKER | {c.MESSAGING_DESTINATION_NAME: "work", c.JOBSPAN_FRAMEWORK: "celery"}
MAIL = BROKER | {c.MESSAGING_DESTINATION_NAME: "mail", c.JOBSPAN_FRAMEWORK: "dramatiq"}


def _points(reader: InMemoryMetricReader) -> dict[str, list[tuple[float, dict[str, Any]]]]:
    data = reader.get_metrics_data()
    found = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                points: Any = metric.data.data_points
                found[metric.name] = [(point.value, dict(point.attributes)) for point in points]
    return found


def _monitor(broker: TwinBroker, **options: Any) -> tuple[Monitor, InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    rules = LimitRules(["work: waiting=10"])
    return Monitor(broker, rules, meter_provider=provider, **{"every_s": 60, **options}), reader


def _state(attributes: dict[str, Any], state: str) -> dict[str, Any]:
    return attributes | {c.JOBSPAN_QUEUE_STATE: state}


def test_a_look_becomes_points_and_what_is_not_known_has_none() -> None:
    monitor, reader = _monitor(TwinBroker())
    with monitor:
        assert _points(reader) == {
            c.METRIC_QUEUE_DEPTH: [
                (0, _state(MAIL, "ready")),
                (0, _state(MAIL, "delayed")),
                (0, _state(MAIL, "unacked")),
                (4, _state(MAIL, "dead")),
                (12, _state(WORK, "ready")),
                (3, _state(WORK, "delayed")),
                (2, _state(WORK, "unacked")),
            ],
            c.METRIC_QUEUE_OLDEST_AGE: [(0, MAIL), (90.0, WORK)],
            c.METRIC_QUEUE_HEALTH: [(1, BROKER), (0, MAIL), (1, WORK)],
            c.METRIC_WORKERS: [(1, WORK)],
        }


def test_what_is_not_known_is_no_point_whatever_an_sdk_does_with_it() -> None:
    nothing = Health(BrokerState(BROKER_ITSELF, (QueueState(Framework.CELERY, "new"),)), None, ())
    found = {name: list(points(BROKER_ITSELF, nothing)) for name, points in POINTS.items()}
    assert {name for name, points in found.items() if points} == {c.METRIC_QUEUE_HEALTH}


def test_a_broker_that_is_gone_leaves_its_grade_alone() -> None:
    monitor, reader = _monitor(TwinBroker(None))
    with monitor:
        assert _points(reader) == {c.METRIC_QUEUE_HEALTH: [(2, BROKER)]}


def test_what_is_stale_is_not_reported() -> None:
    monitor, reader = _monitor(TwinBroker(), every_s=0.0)
    monitor.look()
    assert _points(reader) == {}
    monitor.close()


def test_exporting_costs_the_broker_nothing() -> None:
    broker = TwinBroker()
    monitor, reader = _monitor(broker)
    with monitor:
        for _ in range(5):
            _points(reader)
    assert (broker.looks, broker.closed) == (1, True)


def test_each_look_is_told_to_who_asked(caplog: pytest.LogCaptureFixture) -> None:
    told: list[Health] = []
    monitor, _ = _monitor(TwinBroker(None), on_look=told.append)
    monitor.look()
    assert [finding.kind for health in told for finding in health.findings] == ["broker"]
    monitor.close()
