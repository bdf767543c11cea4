"""Servers, workers and schedulers as real programs: their spans and publishes belong to no command."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest

from support.otlp import Collector
from support.ports import free_port, is_listening
from support.waiting import wait_until
from support.workers import TESTS, Instrumented, Surroundings, Telemetry

APP = str(TESTS / "apps" / "daemon.py")
TICKING = ("schedule_", "apscheduler_blocking", "apscheduler_background", "celery_worker", "dramatiq_worker")
DEADLINE_S = 100
"""All start at once: on a busy machine that takes a while."""

CODES = {
    **dict.fromkeys(("uvicorn_", "werkzeug_", "waitress_", "tornado_", "socketserver_", "asyncio_"), -signal.SIGTERM),
    **dict.fromkeys(("grpc_", "grpc_aio", "schedule_", "dramatiq_worker"), -signal.SIGTERM),
    **dict.fromkeys(("apscheduler_blocking", "apscheduler_background"), -signal.SIGTERM),
    **dict.fromkeys(("hypercorn_", "aiohttp_", "gunicorn_", "celery_worker"), 0),
}
"""How each ends of a SIGTERM without us."""
HERE = {kind: code for kind, code in CODES.items() if find_spec(kind.partition("_")[0])}
"""Those that are installed: not every server is with the oldest libraries."""


def ask(kind: str, port: int) -> None:
    """Send a request once a server listens."""
    wait_until(lambda: is_listening(port), deadline_s=DEADLINE_S, what=f"{kind} listens")
    if kind.startswith("grpc"):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert channel.unary_unary("/Daemon/Tick")(b"", timeout=DEADLINE_S, wait_for_ready=True) == b"put"
    else:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=DEADLINE_S) as response:
            assert response.read() == b"put"


@pytest.mark.timeout(3 * DEADLINE_S)
@pytest.mark.parametrize("way", ["command", "script"])
def test_what_a_daemon_does_belongs_to_no_command(collector: Collector, tmp_path: Path, way: str) -> None:
    around = Surroundings("memory://", tmp_path / "diary", tmp_path, Telemetry(collector.grpc_endpoint))
    ports = {kind: free_port() for kind in HERE}
    with ExitStack() as running:
        programs = {
            kind: running.enter_context(Instrumented(["python", APP, way, kind, str(port)], around, name=kind))
            for kind, port in ports.items()
        }
        for kind, program in programs.items():
            if kind not in TICKING:
                ask(kind, ports[kind])
                ask(kind, ports[kind])
            program.wait_for_log("ticked", times=2, deadline_s=DEADLINE_S)
        # What dies of the signal has no time to send anything.
        collector.wait_for_spans(4 * len(HERE), deadline_s=DEADLINE_S)
        for program in programs.values():
            program.signal(signal.SIGTERM)
        assert {kind: program.wait() for kind, program in programs.items()} == HERE
    found = Counter(
        (span.resource["service.name"], span.kind, span.parent_id is None, "jobspan.command.id" in span.attributes)
        for span in collector.spans
    )
    assert found == {(kind, what, True, False): 2 for kind in HERE for what in ("server", "producer")}
    assert len({span.trace_id for span in collector.spans}) == 4 * len(HERE)
