"""A process with OpenTelemetry's default configuration is served without a warning."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from backends.otlp_server import Server
from jobspan.backends.base import RunFilter
from jobspan.backends.store.file import EmbeddedBackend
from support.processes import Program

_WORK = """
import logging, warnings
warnings.simplefilter("always")
logging.basicConfig(level=logging.INFO)
from opentelemetry import _logs, metrics, trace
tracer, meter, logger = trace.get_tracer("t"), metrics.get_meter("m"), _logs.get_logger("l")
for number in range(20):
    attributes = {"jobspan.framework": "celery", "messaging.operation.name": "run"}
    with tracer.start_as_current_span("run a", attributes=attributes) as span:
        meter.create_counter("c").add(1)
        event = {"exception.type": "CardError"}
        logger.emit(event_name="messaging.process.exception", attributes=event)
        logger.emit(body="something else")
"""


def test_a_default_worker_logs_no_warning_and_its_spans_and_exceptions_are_kept(server: Server, tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(_WORK)
    environment = {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{server.grpc}",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "jobspan_celery,jobspan_dramatiq,jobspan_commands",
    }
    launcher = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    worker = Program([launcher, sys.executable, "work.py"], env=environment, folder=tmp_path, name="worker").start()
    assert worker.wait() == 0
    stats = server.stats()
    assert (stats["spans"], stats["logs_dropped"] >= 20, stats["metrics_dropped"] > 0) == (20, True, True)
    assert [line for line in worker.log.splitlines() if "WARN" in line.upper() or "ERROR" in line.upper()] == []
    server.stop()
    file = EmbeddedBackend(server.store)
    assert {run.failure and run.failure.type for run in file.runs(RunFilter())} == {"CardError"}
    file.close()
