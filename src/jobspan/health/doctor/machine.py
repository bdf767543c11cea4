"""What this machine allows: flight records, the exact peak of memory, and noticing a death at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile

from jobspan.flight.folder import default_folder, private_folder
from jobspan.health.doctor import fine, warning
from jobspan.health.findings import Finding
from jobspan.probes.high_water import HighWaterMark
from jobspan.settings import load


def machine(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Try each as a worker does."""
    chosen = load(environ=environ)
    yield _state_folder(chosen.state_dir, environ)
    yield _memory(chosen.memory)
    yield _deaths()


def _state_folder(chosen: str, environ: Mapping[str, str]) -> Finding:
    if chosen == "off":
        return fine("state folder", "off, as configured: runs of killed processes are not recovered")
    path = Path(chosen).expanduser() if chosen else default_folder(environ)
    try:
        with TemporaryFile(dir=private_folder(path)) as file:
            file.write(b"jobspan")
    except OSError as error:
        remedy = "name one of this user with OTEL_PYTHON_JOBSPAN_STATE_DIR: runs of killed processes are not recovered"
        return warning("state folder", f"{path} cannot be used: {error.strerror or error}", remedy)
    return fine("state folder", f"{path} is private and can be written to")


def _memory(asked: str) -> Finding:
    if asked != "exact":
        return fine("memory", f"{asked}, as configured")
    if HighWaterMark().reset():
        return fine("memory", "exact peaks, of runs that are alone in their process")
    seen = "no exact peaks: the kernel's high-water mark does not come down here"
    return warning("memory", seen, "needs Linux and a /proc/self/clear_refs that can be written to; peaks are sampled")


def _deaths() -> Finding:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        seen = "no process descriptors: the death of a process is noticed when it is reaped"
        return warning("deaths", seen, "needs Linux 5.3, and a sandbox that allows pidfd_open")
    return fine("deaths", "are noticed at once")
