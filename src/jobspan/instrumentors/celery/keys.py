"""What decides all that is told of a job but its ids and times: jobs of one key have a pattern."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from jobspan.instrumentors.celery.mapping import CHORD_UNLOCK, WITHOUT_LIMITS, max_attempts, options_of
from jobspan.job_options import JobOptions

if TYPE_CHECKING:
    # Celery is still being imported when this is.
    from celery import Task
    from celery.app.task import Context


def key_of_publish(
    name: str | None,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    exchange: Any,
    routing_key: str | None,
    others: tuple[Any, ...],
) -> Hashable:
    """Return what decides all that is told of a publish that ``passes_simply``, but for ids and times.

    ``others`` goes into it. None: there is more to it.
    """
    if headers.get("group") or headers.get("expires") or properties.get("priority") or name == CHORD_UNLOCK:
        return None
    if not routing_key or headers.get("timelimit") not in WITHOUT_LIMITS:
        return None
    options = options_of(others[-1])
    return name, headers.get("task"), options, getattr(exchange, "name", exchange), routing_key, others


def key_of_run(task: Task, request: Context, options: JobOptions) -> Hashable:
    """Return what decides all that is told of a run as it begins, but for ids and times; None: there is more to it."""
    if request.retries or request.eta or request.expires or request.group or request.is_eager:
        return None
    route = request.delivery_info or {}
    routing_key = route.get("routing_key")
    if not routing_key or route.get("priority") or route.get("redelivered"):
        return None
    if request.timelimit not in WITHOUT_LIMITS:
        return None
    limit = max_attempts(task) if getattr(task, "autoretry_for", None) else None
    return task, routing_key, request.hostname, options, task.acks_late, limit, task.soft_time_limit, task.time_limit
