"""What senders could not record is heard by the server: what grew in the last hour, by reason."""

from __future__ import annotations

import time

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from backends.otlp_requests import pairs
from backends.otlp_server import Server
from jobspan import conventions as c
from jobspan.backends.base import ReportsDrops
from jobspan.backends.remote import RemoteBackend
from jobspan.health.findings import RunFacts
from jobspan.health.telemetry import facts
from jobspan.server.receive.drops import Drops
from jobspan.server.storage.batch import DropPoint

HOUR_NS = 3600 * 10**9


class _Clock:
    def __init__(self) -> None:
        self.now_ns = 10 * HOUR_NS

    def __call__(self) -> int:
        return self.now_ns


def _cumulative(count: int, *, sender: str = "w1", since_ns: int = 11 * HOUR_NS) -> DropPoint:
    return DropPoint(sender, "hook_error", count, since_ns, is_delta=False)


def test_a_count_that_grows_is_counted_once() -> None:
    drops = Drops(_Clock())
    for count in (2, 2, 5):
        drops.add([_cumulative(count), _cumulative(1, sender="w2")])
    assert drops.recent() == {"hook_error": 6}


def test_what_was_counted_before_the_server_was_there_is_of_any_age() -> None:
    drops = Drops(_Clock())
    for count in (40, 41):
        drops.add([_cumulative(count, since_ns=0)])
    assert drops.recent() == {"hook_error": 1}


def test_a_sender_that_starts_anew_counts_from_zero() -> None:
    drops = Drops(_Clock())
    for count in (5, 2):
        drops.add([_cumulative(count)])
    assert drops.recent() == {"hook_error": 7}


def test_deltas_are_added_up() -> None:
    drops = Drops(_Clock())
    drops.add([DropPoint("w1", "table_full", 2, 0, is_delta=True)] * 2)
    assert drops.recent() == {"table_full": 4}


def test_an_hour_later_it_is_forgotten() -> None:
    clock = _Clock()
    drops = Drops(clock)
    drops.add([_cumulative(2)])
    clock.now_ns += HOUR_NS + 1
    assert drops.recent() == {}


def test_a_server_tells_health_what_was_dropped(server: Server) -> None:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=c.METRIC_TELEMETRY_DROPPED)
    metric.sum.aggregation_temporality = 2
    metric.sum.data_points.add(
        as_int=3, start_time_unix_nano=time.time_ns(), attributes=pairs({c.REASON: "hook_error"})
    )
    metric.sum.data_points.add(as_int=0, start_time_unix_nano=time.time_ns(), attributes=pairs({c.REASON: "other"}))
    server.post(request.SerializeToString(), "/v1/metrics")
    backend = RemoteBackend(server.http)
    try:
        assert isinstance(backend, ReportsDrops)
        found = facts(backend, 0, "in the last hour", with_run_times=True)
    finally:
        backend.close()
    assert found == RunFacts("in the last hour", dropped={"hook_error": 3})
