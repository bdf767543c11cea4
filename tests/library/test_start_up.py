"""What we add to the start of a short command is small: less than the import of the SDK's tracing, and no library."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys, time
began = time.process_time()
import opentelemetry.sdk.trace
sdk_s = time.process_time() - began
from opentelemetry import trace
import opentelemetry.instrumentation.instrumentor, opentelemetry.semconv.trace
trace.set_tracer_provider(opentelemetry.sdk.trace.TracerProvider())
before, began = set(sys.modules), time.process_time()
from jobspan import CommandInstrumentor
CommandInstrumentor().instrument()
ours_s = time.process_time() - began
print(json.dumps([sdk_s, ours_s, sorted({name.partition(".")[0] for name in set(sys.modules) - before})]))
"""
HEAVY = {"argparse", "asyncio", "celery", "click", "ctypes", "django", "dramatiq", "duckdb", "grpc", "rich", "typer"}


def test_the_start_of_a_script_costs_less_than_the_sdk_and_imports_nothing_heavy(tmp_path: Path) -> None:
    script = tmp_path / "short.py"
    script.write_text(PROGRAM)
    # As installed, with compiled files; the first run writes them.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = str(tmp_path / "compiled")
    found = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, str(script)], env=environ, capture_output=True, text=True, timeout=60, check=True
        )
        found.append(json.loads(done.stdout))
    assert not HEAVY & set(found[0][2])
    sdk_s, ours_s = (min(times) for times in zip(*(row[:2] for row in found), strict=True))
    print(f"\nthe SDK's tracing {sdk_s * 1000:.0f} ms, ours {ours_s * 1000:.0f} ms")
    assert ours_s < sdk_s
