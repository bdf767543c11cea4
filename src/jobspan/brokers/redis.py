"""Redis and Valkey: the queues of Celery and Dramatiq in one database, read in three round trips a look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobspan.brokers.address import Address
from jobspan.brokers.base import BrokerState, whole
from jobspan.brokers.redis_celery import CeleryKeys
from jobspan.brokers.redis_dramatiq import DramatiqKeys
from jobspan.errors import BrokerError, MissingExtra, UsageError
from jobspan.jobs import Broker, Framework

_ANSWER_S = 5.0


class RedisReader:
    """Reads one Redis database with commands that change nothing (SCAN, LLEN, HLEN, ZCARD, LRANGE, …).

    Celery's workers are asked as ``celery inspect`` asks them, which leaves nothing behind.
    """

    def __init__(self, address: Address, *, frameworks: tuple[Framework, ...], queues: tuple[str, ...]) -> None:
        self._address = address
        self._client = client_of(address)
        wanted = frameworks or tuple(Framework)
        # A queue that a user names is of the framework that they name, else of those found in the database.
        named = queues if frameworks else ()
        self._readers = [_KEYS[framework](self._client, address, named) for framework in wanted]

    @property
    def broker(self) -> Broker:
        """Its system and address."""
        return self._address.broker

    def look(self) -> BrokerState:
        """Return what the database holds now."""
        with _one_line_errors(self._address):
            return whole(self.broker, [reader.look() for reader in self._readers])

    def close(self) -> None:
        """Close the connections."""
        for reader in self._readers:
            reader.close()
        self._client.close()


def client_of(address: Address) -> Any:
    """Return a client of the database; nothing is connected yet."""
    try:
        import redis
    except ImportError as error:
        raise MissingExtra("reading a Redis broker", "redis", error) from error
    # Celery's spelling of what redis-py calls none and required.
    url = address.url.replace("=CERT_NONE", "=none").replace("=CERT_REQUIRED", "=required")
    try:
        # Any: redis-py's types are others in every release that we support.
        return redis.Redis.from_url(
            url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S, client_name="jobspan"
        )
    except (ValueError, TypeError) as error:
        raise UsageError(f"the address of {address} cannot be read: {error}") from error


@contextmanager
def _one_line_errors(address: Address) -> Iterator[None]:
    import redis

    try:
        yield
    except redis.AuthenticationError as error:
        raise BrokerError(f"{address} does not let us in: {error}; check user and password in its URL") from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise BrokerError(f"{address} cannot be reached: {error}; is it running, and is the address right?") from error
    except redis.RedisError as error:
        raise BrokerError(f"{address} answered: {error}") from error


_KEYS: dict[Framework, type[CeleryKeys | DramatiqKeys]] = {
    Framework.CELERY: CeleryKeys,
    Framework.DRAMATIQ: DramatiqKeys,
}
