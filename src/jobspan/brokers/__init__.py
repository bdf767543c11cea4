"""Where jobs wait, and what can be asked of it: one small protocol, one file a broker. Nothing here changes a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobspan.brokers.address import RABBITMQ, read_url
from jobspan.jobs import Framework

if TYPE_CHECKING:
    from jobspan.brokers.base import BrokerReader


def open_broker(
    url: str, *, frameworks: tuple[Framework, ...] = (), queues: tuple[str, ...] = (), management: str = ""
) -> BrokerReader:
    """Return who reads the broker at ``url``; nothing is connected before the first ``look``.

    Args:
        url: as in the application: ``redis://host:6379/0``, ``amqp://user:password@host/vhost``.
        frameworks: whose queues; empty: those whose traces are found in the broker.
        queues: queues to look at besides those found; on RabbitMQ without its management API these only.
        management: address of RabbitMQ's management API, where it is not the broker's host and port 15672.

    Raises:
        UsageError: no address of a broker that can be read.
        MissingExtra: the broker's client is not installed.
    """
    address = read_url(url)
    if address.system == RABBITMQ:
        from jobspan.brokers.rabbitmq import RabbitMQReader

        return RabbitMQReader(address, frameworks=frameworks, queues=queues, management=management)
    from jobspan.brokers.redis import RedisReader

    return RedisReader(address, frameworks=frameworks, queues=queues)
