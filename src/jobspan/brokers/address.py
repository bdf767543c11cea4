"""A broker's address as applications write it, taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from jobspan.errors import UsageError
from jobspan.jobs import Broker

REDIS, RABBITMQ = "redis", "rabbitmq"

_SYSTEMS = {
    "redis": REDIS,
    "rediss": REDIS,
    "amqp": RABBITMQ,
    "amqps": RABBITMQ,
    "pyamqp": RABBITMQ,
    "librabbitmq": RABBITMQ,
}
_ENCRYPTED = ("rediss", "amqps")
_PORTS = {"redis": 6379, "rediss": 6379, "amqps": 5671}
_AMQP_PORT = 5672


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is. ``str()`` has no password.

    Attributes:
        url: as given.
        path: Redis's database or RabbitMQ's virtual host, decoded, without the first slash.
    """

    url: str
    system: str
    host: str
    port: int
    user: str | None
    password: str | None
    path: str
    is_encrypted: bool

    def __str__(self) -> str:
        return f"{self.system} at {self.host}:{self.port}"

    @property
    def broker(self) -> Broker:
        """The same as spans say it."""
        return Broker(self.system, self.host, self.port)


def read_url(url: str) -> Address:
    """Take a broker's URL apart.

    Raises:
        UsageError: it is none, or of a broker that cannot be read.
    """
    try:
        # RabbitMQ's clients take several, of which they choose one.
        parts = urlsplit(url.split(";", maxsplit=1)[0].strip())
        port = parts.port
    except ValueError:
        raise UsageError(f"the broker's address cannot be read; {_EXPECTED}") from None
    system = _SYSTEMS.get(parts.scheme)
    if system is None or not (parts.hostname or system == RABBITMQ):
        raise UsageError(f"no broker that can be read at {parts.scheme or url!r}://…; {_EXPECTED}")
    return Address(
        url=url.split(";", maxsplit=1)[0].strip(),
        system=system,
        host=parts.hostname or "localhost",
        port=port or _PORTS.get(parts.scheme, _AMQP_PORT),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        path=unquote(parts.path[1:]),
        is_encrypted=parts.scheme in _ENCRYPTED,
    )


_EXPECTED = "expected redis://host:6379/0, rediss://…, amqp://user:password@host:5672/vhost or amqps://…"
