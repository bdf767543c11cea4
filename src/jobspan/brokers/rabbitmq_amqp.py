"""Named queues of RabbitMQ over AMQP: a passive declaration reports ready jobs and consumers, and changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobspan.brokers.address import Address
from jobspan.brokers.rabbitmq_queues import Queue
from jobspan.errors import BrokerError, MissingExtra

if TYPE_CHECKING:
    from pika import BlockingConnection

_ANSWER_S = 5.0


def declared(address: Address, names: Iterable[str]) -> dict[str, Queue]:
    """Return those of the named queues that exist, with Dramatiq's companions of them.

    Raises:
        BrokerError: the broker cannot be reached.
        MissingExtra: pika is not installed.
    """
    try:
        import pika
        from pika.adapters.utils.connection_workflow import AMQPConnectorException
    except ImportError as error:
        raise MissingExtra("asking RabbitMQ over AMQP", "monitor", error) from error
    # What pika logs of a refused connection is what we raise.
    logging.getLogger("pika").addHandler(logging.NullHandler())
    wanted = [name + suffix for name in names for suffix in ("", ".DQ", ".XQ")]
    try:
        connection = pika.BlockingConnection(_parameters(address))
        try:
            found = [_declared(connection, name) for name in wanted]
        finally:
            connection.close()
    # A server that never says hello ends in an error of pika's connector, which is no AMQPError (1.3).
    except (pika.exceptions.AMQPError, AMQPConnectorException, OSError) as error:
        raise BrokerError(
            f"{address} cannot be reached: {error!r}; is it running, and is the address right?"
        ) from error
    return {queue.name: queue for queue in found if queue is not None}


def _parameters(address: Address) -> object:
    import ssl

    import pika

    return pika.ConnectionParameters(
        host=address.host,
        port=address.port,
        virtual_host=address.path or "/",
        credentials=pika.PlainCredentials(address.user or "guest", address.password or "guest"),
        ssl_options=pika.SSLOptions(ssl.create_default_context(), address.host) if address.is_encrypted else None,
        socket_timeout=_ANSWER_S,
        stack_timeout=_ANSWER_S,
        blocked_connection_timeout=_ANSWER_S,
        connection_attempts=1,
    )


def _declared(connection: BlockingConnection, name: str) -> Queue | None:
    import pika

    channel = connection.channel()
    try:
        counts = channel.queue_declare(name, passive=True).method
    except pika.exceptions.ChannelClosedByBroker:
        return None
    channel.close()
    return Queue(name, ready=counts.message_count, consumers=counts.consumer_count)
