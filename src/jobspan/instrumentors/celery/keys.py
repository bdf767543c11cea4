"""What decides all that is told of a job but its ids and times: jobs of one key have a pattern."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from jobspan.instrumentors.celery.mapping import (
    CHORD_UNLOCK,
    WITHOUT_LIMITS,
    broker_of,
    function_name,
    max_attempts,
    options_of,
)
from jobspan.instrumentors.job_patterns import of_values
from jobspan.job_options import NOTHING, JobOptions
from jobspan.jobs import Broker

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
    queue: str | None,
    broker: Broker,
    task: Any,
) -> Hashable:
    """Return what decides all that is told of a publish that ``passes_simply``, but for ids and times.

    None: there is more to it.
    """
    if headers.get("group") is not None or headers.get("expires") is not None or properties.get("priority"):
        return None
    if not routing_key or headers.get("timelimit") not in WITHOUT_LIMITS or name == CHORD_UNLOCK:
        return None
    if options_of(task) is not NOTHING:
        return None
    known = None if task is None else "known"
    exchange = getattr(exchange, "name", exchange)
    return of_values(name, headers.get("task"), known, exchange, routing_key, queue, broker)


def key_of_run(task: Task, request: Context, options: JobOptions) -> Hashable:
    """Return what decides all that is told of a run as it begins, but for ids and times; None: there is more to it."""
    if request.retries or request.eta is not None or request.expires is not None or request.group is not None:
        return None
    route = request.delivery_info or {}
    routing_key = route.get("routing_key")
    if not routing_key or route.get("priority") or route.get("redelivered") or request.is_eager:
        return None
    if request.timelimit not in WITHOUT_LIMITS or options is not NOTHING:
        return None
    limits = task.soft_time_limit, task.time_limit, max_attempts(task) if getattr(task, "autoretry_for", None) else None
    late = "late" if task.acks_late else None
    broker, function = broker_of(task.app), function_name(task)
    return of_values(task.name, function, broker, routing_key, request.hostname, late, *limits)
