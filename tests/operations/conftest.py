"""The whole line of an operator: Collector, Prometheus, Alertmanager and the monitor, with an inbox at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from operations.night import Night
from support.inbox import Inbox
from support.otelcol import OtelCollector
from support.ports import LOOPBACK
from support.processes import Program
from support.prometheus import Prometheus
from support.stage import Stage
from support.workers import script


@pytest.fixture
def night(request: pytest.FixtureRequest, stage: Stage, tmp_path: Path) -> Iterator[Night]:
    """Collector, Prometheus, Alertmanager, the monitor and an inbox; a parameter says when silent series expire."""
    expiration = getattr(request, "param", "5m")
    backend = f"{LOOPBACK}:{stage.collector.grpc_port}"
    with (
        Inbox() as inbox,
        OtelCollector(
            "to-prometheus.yaml", tmp_path, backend=backend, FLUSH_INTERVAL="1s", METRIC_EXPIRATION=expiration
        ) as otelcol,
        Prometheus(tmp_path, otelcol.scrape_port, inbox) as prometheus,
    ):
        stage.set(OTEL_LOGS_EXPORTER="none")
        stage.export(endpoint=otelcol.grpc_endpoint)
        env = stage.around.environment("monitor") | {"JOBSPAN_BROKER": stage.broker.url, "XDG_DATA_HOME": str(tmp_path)}
        args = [script("jobspan"), "monitor", "--every", "0.5"]
        with Program(args, env=env, folder=tmp_path, name="monitor") as monitor:
            yield Night(stage, prometheus, inbox, monitor)
            stage.close()
