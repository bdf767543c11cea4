"""A Jaeger on free loopback ports that keeps spans in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from support import plain_http
from support.go_programs import program_path
from support.ports import LOOPBACK, free_port
from support.processes import Program
from support.required import missing
from support.waiting import wait_until

_CONFIG = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines: {{traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}}}
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
extensions:
  jaeger_query:
    storage: {{traces: memory}}
    http: {{endpoint: "{host}:{query}"}}
    grpc: {{endpoint: "{host}:{query_grpc}"}}
  jaeger_storage: {{backends: {{memory: {{memory: {{max_traces: {max_traces}}}}}}}}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "{host}:{grpc}"}}, http: {{endpoint: "{host}:{http}"}}}}}}
exporters: {{jaeger_storage_exporter: {{trace_storage: memory}}}}
"""


class Jaeger:
    """The Jaeger of ``tools/jaeger``.

    Args:
        folder: for its configuration and log.
        max_traces: so many it keeps, and gives at once.

    Attributes:
        url: where its UI and its query API answer.
        grpc_endpoint, http_endpoint: where it takes OTLP.
    """

    def __init__(self, folder: Path, *, max_traces: int = 10_000) -> None:
        query, query_grpc, grpc, http = (free_port() for _ in range(4))
        self.url, self.grpc_endpoint, self.http_endpoint = (f"http://{LOOPBACK}:{port}" for port in (query, grpc, http))
        config = folder / "jaeger.yaml"
        config.write_text(
            _CONFIG.format(
                host=LOOPBACK,
                query=query,
                query_grpc=query_grpc,
                grpc=grpc,
                http=http,
                max_traces=max_traces,
            )
        )
        self.program = Program([jaeger_binary(), "--config", str(config)], env={}, folder=folder, name="jaeger")

    def start(self) -> Jaeger:
        """Start it and wait until it answers."""
        self.program.start()
        wait_until(self._answers, deadline_s=60, what=f"Jaeger at {self.url} answers")
        return self

    def keep(self, *requests: Any) -> None:
        """Send it OTLP requests with spans; they can be searched for at once."""
        for request in requests:
            plain_http.post(
                f"{self.http_endpoint}/v1/traces",
                content=request.SerializeToString(),
                headers={"Content-Type": "application/x-protobuf"},
                timeout=30,
            ).raise_for_status()

    def stop(self) -> None:
        """Kill it and wait for its end: asked to stop, it takes seconds, and nothing is to be kept."""
        if self.program.is_alive:
            self.program.kill()

    def _answers(self) -> bool:
        if not self.program.is_alive:
            raise RuntimeError(f"Jaeger ended at once:\n{self.program.log}")
        try:
            return plain_http.get(f"{self.url}/api/services", timeout=5).is_success
        except httpx.TransportError:
            return False


def jaeger_binary() -> str:
    """Find the Jaeger that ``go_programs`` built; skip the test without it."""
    program = program_path("jaeger")
    return str(program) if program.exists() else missing("jaeger", "no Jaeger: tests/support/go_programs.py builds it")
