"""One job that does nothing through publish, worker and collector: which leg of the way fails.

It is published only where every worker that takes from its queue knows it. Celery's workers are asked. Dramatiq's job
has a queue of its own, taken from only by workers that know it: RabbitMQ counts its consumers, and on Redis each of
them leaves its id beside Dramatiq's heartbeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from jobspan import conventions as c
from jobspan.backends.base import Backend, RunFilter
from jobspan.brokers.address import Address
from jobspan.frameworks import TASK_LIBRARIES
from jobspan.health.doctor import critical, fine
from jobspan.health.findings import Finding
from jobspan.jobs import Framework
from jobspan.runs import Run

KIND = "canary"
_POLL_S = 0.25
_HOW = "set OTEL_PYTHON_JOBSPAN_CANARY=true for the workers, and run them under opentelemetry-instrument"


@dataclass(frozen=True, slots=True)
class Canary:
    """Which job to publish, and for how long to wait for it.

    Attributes:
        queue: Celery's; empty: the first that only workers take from who know the job.
        timeout_s: for its spans, from the publish on.
    """

    framework: Framework
    queue: str
    timeout_s: float


def run_canary(canary: Canary, address: Address, backend: Backend, say: Callable[[str], None]) -> Iterator[Finding]:
    """Yield each leg of the way; the one that fails is the last.

    Args:
        backend: where its spans are looked for.
        say: called with what is waited for.
    """
    say(f"asking the {canary.framework.value} workers")
    library = import_module(TASK_LIBRARIES[canary.framework].canary)
    try:
        queue, refusal = library.queue_for(address, canary.queue)
        if queue is None:
            yield critical(KIND, f"refused, nothing was put: {refusal}", _HOW)
            return
        before = library.taken_before(address)
        began_ns = time.time_ns()
        say(f"putting {c.CANARY_JOB} on {queue}")
        job_id = library.publish(address, queue, canary.timeout_s)
    except Exception as error:  # noqa: BLE001 - whatever the libraries and their transports raise
        seen = f"could not be put: {type(error).__name__}"
        yield critical(
            KIND, seen, f"see whether {address} answers, and whether its client is installed: jobspan queues"
        )
        return
    yield fine(KIND, f"published on {queue} ({canary.framework.value}), job {job_id}")
    say("waiting for its span")
    run = _found(backend, job_id, began_ns, canary.timeout_s)
    if run is None:
        yield _lost(library.is_taken(address, queue, job_id, before), canary)
        return
    arrived_s = (time.time_ns() - began_ns) / 1e9
    yield fine(KIND, f"run by {run.worker or 'a worker'} in {(run.duration_s or 0) * 1000:.3g} ms")
    yield fine(KIND, f"its span has arrived {arrived_s:.1f} s after the publish")


def _found(backend: Backend, job_id: str, since_ns: int, timeout_s: float) -> Run | None:
    where = RunFilter(since_ns=since_ns, jobs=(c.CANARY_JOB,))
    deadline = time.monotonic() + timeout_s
    while True:
        for run in backend.runs(where):
            if run.job_id == job_id and run.end_ns is not None:
                return run
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)


def _lost(is_taken: bool | None, canary: Canary) -> Finding:
    within = f"within {canary.timeout_s:.3g} s"
    if is_taken:
        remedy = "see the worker's log, its OTEL_* variables, and whether its collector keeps spans in this backend"
        return critical(KIND, f"a worker took it, and no span of its run has arrived {within}", remedy)
    if is_taken is None:
        remedy = "see whether a worker is busy (jobspan queues), its log and its OTEL_* variables"
        return critical(KIND, f"no span of its run has arrived {within}; whether it ran is not known", remedy)
    return critical(KIND, f"no worker took it {within}", "see whether all are busy or stopped: jobspan workers")
