"""What a program that is over at once pays under ``opentelemetry-instrument``: with the SDK alone, and with jobspan.

A script, a Click command and a program that puts one job, each from start to exit, in turn without and with jobspan.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from benchmarks.children import environment, flight_folder
from benchmarks.figures import Figure, figure

# A few objects more may bring on a collection of the whole heap, which takes longer than all that is compared here.
_PEAK = "BENCH_PEAK"
_PUBLISHER = """
import gc

gc.disable()

import celery

app = celery.Celery(broker="memory://")

@app.task
def send_receipt():
    pass

send_receipt.delay()
"""
# The kernel's figure for whoever waits holds what the benchmark itself had before the program was loaded.
_TELLS_PEAK = f"""
import atexit, os, pathlib, re

def tell_peak():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path(os.environ["{_PEAK}"]).write_text(re.search(r"VmHWM:\\s+(\\d+)", status)[1])

atexit.register(tell_peak)
"""
_PROGRAMS = {
    "script": "pass",
    "command": "import click\n\n@click.command()\ndef main():\n    pass\n\nmain()\n",
    "publisher": _PUBLISHER,
}
# Theirs import the libraries that they are for.
_THEIRS = "asgi,celery,click,django,wsgi"
_OURS = "jobspan_celery,jobspan_commands,jobspan_dramatiq"

_STARTS = 15
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_NEVER_COMPILES = "PYTHONDONTWRITEBYTECODE"


def measure() -> list[Figure]:
    """Measure each program as installed, and the script also where nothing of ours is compiled."""
    return [*(found for name in _PROGRAMS for found in _of(name)), *_of("script", is_compiled=False)]


def _of(name: str, *, is_compiled: bool = True) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="jobspan-bench-") as made, flight_folder() as flight:
        return _measured(name, Path(made), environment(flight), is_compiled=is_compiled)


def _measured(name: str, folder: Path, environ: dict[str, str], *, is_compiled: bool) -> list[Figure]:
    script = folder / f"{name}.py"
    script.write_text(_TELLS_PEAK + _PROGRAMS[name])
    environ.pop(_NEVER_COMPILES, None)
    environ |= {
        # What is executed by opentelemetry-instrument, which is a program of its own.
        "PYTHONPATH": str(_sitecustomize()),
        "PYTHONPYCACHEPREFIX": str(folder / "compiled"),
        _PEAK: str(folder / "peak"),
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    alone = environ | {_DISABLED: f"{_THEIRS},{_OURS}"}
    ours = environ | {_DISABLED: _THEIRS}
    _run(script, alone)
    if is_compiled:
        _run(script, ours)
    else:
        alone[_NEVER_COMPILES] = ours[_NEVER_COMPILES] = "1"
    cpu, memory = [], []
    for _ in range(_STARTS):
        (its_cpu, its_memory), (our_cpu, our_memory) = _run(script, alone), _run(script, ours)
        cpu.append(our_cpu - its_cpu)
        memory.append(our_memory - its_memory)
    said = f"{name}: " if is_compiled else f"{name}, ours not compiled: "
    aim = 30 if is_compiled else None
    return [
        figure("start-up", f"{said}CPU over the SDK alone", "ms", cpu, aim=aim),
        figure("start-up", f"{said}resident memory over the SDK alone", "MiB", memory, aim=5),
    ]


def _run(script: Path, environ: Mapping[str, str]) -> tuple[float, float]:
    """Return the CPU time in ms and the highest resident memory in MiB of a program."""
    process = subprocess.Popen(
        [sys.executable, str(script)], env=dict(environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{script.name} ended with {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1e3, int(Path(environ[_PEAK]).read_text()) / 1024


def _sitecustomize() -> Path:
    found = find_spec("opentelemetry.instrumentation.auto_instrumentation")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent
