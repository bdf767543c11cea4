"""The canary of Dramatiq: published on a queue of its own, if a worker takes from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from jobspan import conventions as c
from jobspan.brokers.address import RABBITMQ, Address
from jobspan.brokers.rabbitmq_amqp import declared
from jobspan.brokers.redis import client_of
from jobspan.brokers.redis_dramatiq import NAMESPACE, ONLINE_S

if TYPE_CHECKING:
    from dramatiq import Broker


def queue_for(address: Address, requested: str) -> tuple[str | None, str]:
    """Return the queue, or None and why there is none."""
    if requested not in ("", c.CANARY_QUEUE):
        return (
            None,
            f"whether all workers of {requested} know it cannot be found out; it is only published on {c.CANARY_QUEUE}",
        )
    takers = _consumers(address) if address.system == RABBITMQ else _online(address)
    return (c.CANARY_QUEUE, "") if takers else (None, f"no Dramatiq worker takes from {c.CANARY_QUEUE}")


def publish(address: Address, queue: str, _timeout_s: float) -> str:
    """Publish it; return its id. One that is late does nothing either."""
    from dramatiq import Message

    broker = _broker(address)
    try:
        message: Message[Any] = Message(queue_name=queue, actor_name=c.CANARY_JOB, args=(), kwargs={}, options={})
        broker.enqueue(message)
        return message.message_id
    finally:
        broker.close()


def taken_before(_address: Address) -> int:
    """Return 0: the job is recognised by its id."""
    return 0


def is_taken(address: Address, queue: str, job_id: str, _before: int) -> bool | None:
    """Say whether a worker has done it; on RabbitMQ, whether none is left on its queue."""
    if address.system == RABBITMQ:
        found = declared(address, [queue]).get(queue)
        return None if found is None else not found.ready
    client = client_of(address)
    try:
        left = [str(message) for message in client.hvals(f"{NAMESPACE}:{queue}.msgs")]
        return not any(job_id in message for message in left)
    finally:
        client.close()


def _consumers(address: Address) -> int:
    found = declared(address, [c.CANARY_QUEUE]).get(c.CANARY_QUEUE)
    return 0 if found is None else found.consumers or 0


def _online(address: Address) -> int:
    """Count the processes that registered and still send heartbeats."""
    client = client_of(address)
    try:
        signed = set(client.zrange(f"{NAMESPACE}:{c.CANARY_SIGN}", 0, -1))
        since_ms = (time.time() - ONLINE_S) * 1000
        return len(signed & set(client.zrangebyscore(f"{NAMESPACE}:__heartbeats__", since_ms, "+inf")))
    finally:
        client.close()


def _broker(address: Address) -> Broker:
    if address.system == RABBITMQ:
        from dramatiq.brokers.rabbitmq import RabbitmqBroker

        return RabbitmqBroker(url=address.url, middleware=[])
    from dramatiq.brokers.redis import RedisBroker

    return RedisBroker(url=address.url, middleware=[])  # type: ignore[no-untyped-call]  # its constructor has no types
