"""RabbitMQ's management API: queues, exchanges and consumers of one virtual host, each in one GET."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from jobspan.brokers.address import Address
from jobspan.brokers.rabbitmq_queues import Queue
from jobspan.errors import BrokerError, MissingExtra, UsageError
from jobspan.named_tuple import NamedTuple

if TYPE_CHECKING:
    import httpx

_ANSWER_S = 10.0
_PORT, _ENCRYPTED_PORT = 15672, 15671
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_COLUMNS = "name,exclusive,auto_delete,consumers,messages_ready,messages_unacknowledged,head_message_timestamp"


class ApiIsAbsent(BrokerError):
    """The API does not answer: the plugin may be off, or the broker is down."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{seen}; is the broker running and the plugin enabled? Name its address with JOBSPAN_MANAGEMENT, or "
            "the queues with --queue to ask over AMQP"
        )
        self.seen = seen


class Consumer(NamedTuple):
    """A consumer of a queue, by its connection's address."""

    queue: str
    connection: str


class ManagementApi:
    """Asks the API with the user and password of its URL, else of the broker's.

    Args:
        address: the broker's.
        url: the API's, where it is not the broker's host and the API's usual port.

    Raises:
        UsageError: the text is no such address.
        MissingExtra: httpx is not installed.
    """

    def __init__(self, address: Address, url: str = "") -> None:
        parts = urlsplit(url.rstrip("/") or _usual(address))
        # Errors repeat it: it must not contain the credentials.
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._vhost = quote(address.path or "/", safe="")
        who = (unquote(parts.username), unquote(parts.password or "")) if parts.username else _who(address)
        self._client = _client(self._url, who)

    def queues(self) -> dict[str, Queue]:
        """Return all queues by name. RabbitMQ renews its counts every 5 s."""
        reply = self._ask(f"queues/{self._vhost}", {"columns": _COLUMNS, "disable_stats": "false"})
        return {queue.name: queue for queue in map(_queue, reply)}

    def exchanges(self) -> frozenset[str]:
        """Return the names of the exchanges."""
        return frozenset(str(found.get("name")) for found in self._ask(f"exchanges/{self._vhost}", {"columns": "name"}))

    def consumers(self) -> list[Consumer]:
        """Return the consumers of each queue."""
        return [_consumer(found) for found in self._ask(f"consumers/{self._vhost}", {})]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask(self, question: str, query: dict[str, str]) -> list[dict[str, Any]]:
        import httpx

        try:
            answer = self._client.get(f"/api/{question}", params=query)
            if answer.status_code == httpx.codes.OK:
                return _objects(answer.json())
        except httpx.HTTPError as error:
            message = f"RabbitMQ's management API does not answer at {self._url} ({type(error).__name__} {error})"
            raise ApiIsAbsent(message) from error
        except ValueError as error:
            raise BrokerError(f"{self._url} answered, but not as RabbitMQ's management API does") from error
        raise BrokerError(f"{self._url} answered {answer.status_code}: {_HINTS.get(answer.status_code, _OTHER)}")


_HINTS = {
    401: "the user or password of the broker's URL is wrong, or the user lacks the tag monitoring",
    403: "the user may not see this virtual host",
    404: "no such virtual host, or no management API of RabbitMQ",
}
_OTHER = "expected 200"


def _usual(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"https://{host}:{_ENCRYPTED_PORT}" if address.is_encrypted else f"http://{host}:{_PORT}"


def _who(address: Address) -> tuple[str, str]:
    return address.user or "guest", address.password or "guest"


def _client(url: str, who: tuple[str, str]) -> httpx.Client:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtra("asking RabbitMQ", "monitor", error) from error
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no address of RabbitMQ's management API; expected http://host:15672")
    # A proxy of the environment is not asked for this machine's own addresses.
    return httpx.Client(base_url=url, auth=who, timeout=_ANSWER_S, trust_env=parts.hostname not in _LOOPBACK)


def _objects(reply: Any) -> list[dict[str, Any]]:
    if isinstance(reply, list) and all(isinstance(one, dict) for one in reply):
        return reply
    raise ValueError("no list of objects")


def _queue(reply: dict[str, Any]) -> Queue:
    head = reply.get("head_message_timestamp")
    return Queue(
        name=str(reply.get("name")),
        ready=_count(reply.get("messages_ready")),
        unacked=_count(reply.get("messages_unacknowledged")),
        consumers=_count(reply.get("consumers")),
        head_at_s=float(head) if isinstance(head, (int, float)) else None,
        is_private=bool(reply.get("exclusive")) or str(reply.get("name")).startswith("amq.gen"),
    )


def _consumer(reply: dict[str, Any]) -> Consumer:
    channel: dict[str, Any] = reply.get("channel_details") or {}
    return Consumer(
        str((reply.get("queue") or {}).get("name")), f"{channel.get('peer_host')}:{channel.get('peer_port')}"
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
