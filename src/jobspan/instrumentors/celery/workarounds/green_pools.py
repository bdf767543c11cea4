"""Pools of greenlets: whose CPU time a run can know, and the one line for a worker that would stall."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from jobspan.events import CpuScope
from jobspan.probes.green import are_threads_green

_logger = logging.getLogger("jobspan.instrumentors")
_GREEN = ("gevent", "eventlet")
_PATCH = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"


def cpu_scope() -> CpuScope:
    """Return whose CPU time a run in this process can measure: greenlets share their thread's clock."""
    return CpuScope.UNKNOWN if are_threads_green() else CpuScope.THREAD


def warn_of_a_stall(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Log one line when a worker is about to patch threads that the SDK has started already, which stalls it."""
    pool = _pool_in(argv)
    if pool not in _GREEN or are_threads_green() or (pool == "gevent" and environ.get(_PATCH) == "patch_all"):
        return
    advice = f"set {_PATCH}=patch_all" if pool == "gevent" else f"use the gevent pool and set {_PATCH}=patch_all"
    _logger.warning(
        "this Celery worker with the %s pool may stall: OpenTelemetry's threads start before %s replaces threading; %s",
        pool,
        pool,
        advice,
    )


def _pool_in(argv: Sequence[str]) -> str | None:
    # As celery.maybe_patch_concurrency reads it.
    for number, word in enumerate(argv):
        if word in {"-P", "--pool"}:
            return argv[number + 1] if number + 1 < len(argv) else None
        if word.startswith("--pool="):
            return word.partition("=")[2]
    return None
