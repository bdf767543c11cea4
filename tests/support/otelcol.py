"""The real Collector with a configuration of ``collector-config/``, on free loopback ports."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from support.go_programs import program_path
from support.ports import LOOPBACK, free_port, is_listening
from support.processes import Program
from support.required import missing
from support.waiting import wait_until

if TYPE_CHECKING:
    from typing_extensions import Self

CONFIG = Path(__file__).parents[2] / "collector-config"
_NO_METRICS_OF_ITS_OWN = "yaml:service::telemetry::metrics::level: none"


class OtelCollector:
    """A running Collector.

    Args:
        config: file name in ``collector-config/``.
        folder: where it runs and writes.
        backend: ``host:port`` of the OTLP receiver (gRPC) that it sends spans to.
        variables: environment variables that the file reads.
    """

    def __init__(self, config: str, folder: Path, *, backend: str = "", **variables: str) -> None:
        grpc, http, health, self.scrape_port = (free_port() for _ in range(4))
        self.grpc_endpoint, self._grpc_port = f"http://{LOOPBACK}:{grpc}", grpc
        env = {
            "OTLP_GRPC": f"{LOOPBACK}:{grpc}",
            "OTLP_HTTP": f"{LOOPBACK}:{http}",
            "HEALTH_CHECK": f"{LOOPBACK}:{health}",
            "PROMETHEUS_SCRAPE": f"{LOOPBACK}:{self.scrape_port}",
            "BATCH_TIMEOUT": "100ms",
            "BACKEND_OTLP": backend,
            **variables,
        }
        args = [otelcol_binary(), f"--config={CONFIG / config}", f"--config={_NO_METRICS_OF_ITS_OWN}"]
        self.program = Program(args, env=env, folder=folder, name="otelcol", stop_s=10)

    def __enter__(self) -> Self:
        self.program.start()
        wait_until(self._listens, deadline_s=30, what="the Collector listens")
        return self

    def __exit__(self, *_: object) -> None:
        self.program.stop()

    def _listens(self) -> bool:
        if not self.program.is_alive:
            raise RuntimeError(f"the Collector ended at once:\n{self.program.log}")
        return is_listening(self._grpc_port)


def otelcol_binary() -> str:
    """Find the Collector that ``go_programs`` built; skip the test without it."""
    program = program_path("otelcol")
    reason = "no Collector: tests/support/go_programs.py otelcol builds it"
    return str(program) if program.exists() else missing("otelcol", reason)


def complaint_about(config: Path) -> str:
    """Return what the Collector says against a configuration; empty: it takes it."""
    args = [otelcol_binary(), "validate", f"--config={config}"]
    said = subprocess.run(args, env={}, capture_output=True, text=True, timeout=60, check=False)
    return "" if said.returncode == 0 else said.stderr
