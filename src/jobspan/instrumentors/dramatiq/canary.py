"""The job that does nothing, on a queue of its own that only workers with the setting ``canary`` know."""

from __future__ import annotations

import time
from typing import Any

import dramatiq

from jobspan import conventions as c

_MOST_SIGNS = 1000


def register(broker: Any, worker: Any) -> None:
    """Let a worker that starts know the job and take from its queue; on Redis, leave a sign of it.

    RabbitMQ counts who takes from a queue. Redis does not: there the process writes its id into a sorted set beside
    Dramatiq's heartbeats, which say whether it is still there.
    """
    if c.CANARY_JOB not in broker.actors:
        dramatiq.actor(actor_name=c.CANARY_JOB, queue_name=c.CANARY_QUEUE, broker=broker)(_nothing)
    process, chosen = getattr(broker, "broker_id", None), worker.consumer_whitelist
    if process is None or not hasattr(broker, "client") or (chosen and c.CANARY_QUEUE not in chosen):
        return
    key = f"{broker.namespace}:{c.CANARY_SIGN}"
    broker.client.zadd(key, {process: time.time()})
    broker.client.zremrangebyrank(key, 0, -_MOST_SIGNS - 1)


def _nothing() -> None:
    """Run, and be recorded."""
