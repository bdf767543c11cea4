"""The canary of Celery: published on a queue from which only workers take that know it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobspan import conventions as c
from jobspan.brokers.address import Address

_ANSWER_S = 1.0


def queue_for(address: Address, requested: str) -> tuple[str | None, str]:
    """Return the queue, or None and why there is none."""
    with _app(address) as app:
        inspect = app.control.inspect(timeout=_ANSWER_S)
        queues: dict[str, list[dict[str, Any]]] = inspect.active_queues() or {}
        registered: dict[str, list[str]] = inspect.registered() or {}
    takers: dict[str, set[str]] = {}
    for worker, taken in queues.items():
        for queue in taken:
            takers.setdefault(str(queue["name"]), set()).add(worker)
    if not takers:
        return None, "no Celery worker answers"
    informed = {worker for worker, jobs in registered.items() if any(job.split(" ")[0] == c.CANARY_JOB for job in jobs)}
    safe = sorted(queue for queue, workers in takers.items() if workers <= informed)
    if requested:
        if requested in safe:
            return requested, ""
        uninformed = ", ".join(sorted(takers.get(requested, set()) - informed))
        return (
            None,
            f"{uninformed} takes from {requested} and does not know it"
            if uninformed
            else f"no worker takes from {requested}",
        )
    return (safe[0], "") if safe else (None, "on each queue there is a worker that does not know it")


def publish(address: Address, queue: str, timeout_s: float) -> str:
    """Publish it, declaring nothing; return its id. A worker drops it when it is too late."""
    with _app(address) as app:
        sent = app.send_task(c.CANARY_JOB, queue=queue, declare=[], expires=timeout_s, ignore_result=True, retry=False)
        return str(sent.id)


def taken_before(address: Address) -> int:
    """Return how many of them the workers have ever taken."""
    with _app(address) as app:
        stats: dict[str, dict[str, Any]] = app.control.inspect(timeout=_ANSWER_S).stats() or {}
    return sum((stats_of_worker.get("total") or {}).get(c.CANARY_JOB, 0) for stats_of_worker in stats.values())


def is_taken(address: Address, _queue: str, _job_id: str, before: int) -> bool | None:
    """Say whether a worker has taken one more."""
    return taken_before(address) > before


@contextmanager
def _app(address: Address) -> Iterator[Any]:
    from celery import Celery

    app = Celery("jobspan-doctor", broker=address.url, set_as_current=False)
    app.conf.update(broker_connection_timeout=_ANSWER_S, broker_transport_options={"socket_connect_timeout": _ANSWER_S})
    try:
        yield app
    finally:
        app.close()
