"""RabbitMQ: the queues of one virtual host, from its management API; without that, named queues over AMQP."""

from __future__ import annotations

from jobspan.brokers.address import Address
from jobspan.brokers.base import BrokerState, Part, QueueState, WorkerState, whole
from jobspan.brokers.celery_control import REMOTE_CONTROL_OFF, CeleryControl, Census
from jobspan.brokers.rabbitmq_amqp import declared
from jobspan.brokers.rabbitmq_api import ApiIsAbsent, ManagementApi
from jobspan.brokers.rabbitmq_queues import Queue, celery_queues, dramatiq_queues, listeners
from jobspan.jobs import Broker, Framework


class RabbitMQReader:
    """Reads one virtual host: GET requests and passive declarations only.

    Celery's workers are asked as ``celery inspect`` asks them, through a reply queue that is gone with the answer.
    """

    def __init__(
        self, address: Address, *, frameworks: tuple[Framework, ...], queues: tuple[str, ...], management: str
    ) -> None:
        self._address, self._frameworks, self._named = address, frameworks, queues
        self._api = ManagementApi(address, management)
        self._control = CeleryControl(address.url)

    @property
    def broker(self) -> Broker:
        """Its system and address."""
        return self._address.broker

    def look(self) -> BrokerState:
        """Return what the virtual host holds now."""
        note = ""
        try:
            queues, exchanges = self._api.queues(), self._api.exchanges()
        except ApiIsAbsent as absent:
            if not self._named:
                raise
            queues, exchanges = declared(self._address, self._named), frozenset(self._named)
            note = (
                f"{absent.seen}: only the queues named are looked at, over AMQP, which reports ready jobs and workers"
            )
        parts = [Part(notes=(note,))] if note else []
        if Framework.DRAMATIQ in (self._frameworks or Framework):
            parts.append(self._dramatiq(queues, asks_api=not note))
        if Framework.CELERY in (self._frameworks or Framework):
            parts.append(self._celery(queues, exchanges, asks_api=not note))
        return whole(self.broker, parts)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _dramatiq(self, queues: dict[str, Queue], *, asks_api: bool) -> Part:
        states = dramatiq_queues(queues)
        if not asks_api:
            return Part(states, None if states else ())
        names = {state.name for state in states}
        consumers = self._api.consumers() if any(state.workers for state in states) else []
        # A process of Dramatiq has a connection a queue; they cannot be recognised as one process.
        return Part(
            states,
            tuple(
                WorkerState(Framework.DRAMATIQ, consumer.connection, queues=(consumer.queue,))
                for consumer in consumers
                if consumer.queue in names
            ),
        )

    def _celery(self, queues: dict[str, Queue], exchanges: frozenset[str], *, asks_api: bool) -> Part:
        states: tuple[QueueState, ...] = celery_queues(
            queues, exchanges, self._named, all_are_celerys=self._frameworks == (Framework.CELERY,)
        )
        if not asks_api:
            return Part(states, None if states else ())
        listening = listeners(queues)
        if not listening and any(state.workers for state in states):
            census = Census(None, REMOTE_CONTROL_OFF)
        else:
            census = self._control.census(listening)
        return Part(states, census.workers, (census.note,) if census.note else ())
