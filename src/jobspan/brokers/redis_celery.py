r"""Celery's keys in a Redis database (kombu 5.3 to 5.7)::

{queue}                      list, the next one at its end; {queue}\x06\x16{3,6,9} for lower priorities
_kombu.binding.{exchange}    set of {routing key}\x06\x16{pattern}\x06\x16{queue}
_kombu.binding.celery.pidbox one member for each worker that takes questions, and for those that were killed
unacked                      hash of delivery tag → [message, exchange, routing key], of all queues
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jobspan.brokers.address import Address
from jobspan.brokers.base import Part, QueueState, WorkerState
from jobspan.brokers.celery_control import NO_ANSWER, REMOTE_CONTROL_OFF, CeleryControl, Census
from jobspan.brokers.redis_scan import KeySweep, text
from jobspan.brokers.waiting import celery_since_ms, eta_ms, oldest_wait_s
from jobspan.jobs import Framework
from jobspan.named_tuple import NamedTuple

PRIORITY_STEPS = (0, 3, 6, 9)
UNACKED_READ = 1000
"""Up to so many jobs that workers have are read, to find to which queue they belong and which are delayed."""

UNACKED_READ_BYTES = 8 * 1024 * 1024

_SEPARATOR = "\x06\x16"
_BINDING = "_kombu.binding."
_MAILBOXES = f"{_BINDING}celery.pidbox"
_NO_QUEUES = ("celeryev", "pidbox")

Bindings = Mapping[tuple[str, str], str]
"""Queue by exchange and routing key."""


class _Held(NamedTuple):
    """Jobs that workers have, by queue: delayed ones, and all others. None: too many to look at each."""

    delayed: Counter[str] | None
    unacked: Counter[str] | None
    note: str = ""


class CeleryKeys:
    """Reads kombu's keys."""

    def __init__(self, client: Any, address: Address, queues: tuple[str, ...]) -> None:
        self._client = client
        self._sweep = KeySweep(client, f"{_BINDING}*")
        self._control = CeleryControl(address.url)
        self._database = str(client.get_connection_kwargs().get("db") or 0)
        self._named = queues

    def look(self) -> Part:
        """Return queues and the workers that answer."""
        bindings = self._bindings()
        names = sorted({*bindings.values(), *self._named})
        if not names:
            return Part()
        count, bytes_held = self._overview()
        census = self._census(count)
        held = self._held(count, bytes_held, bindings)
        with self._client.pipeline(transaction=True) as pipe:
            for name in names:
                for step in PRIORITY_STEPS:
                    pipe.llen(_key(name, step))
                for step in PRIORITY_STEPS:
                    pipe.lindex(_key(name, step), -1)
            reply = pipe.execute(raise_on_error=False)
        width = 2 * len(PRIORITY_STEPS)
        now_ms = time.time() * 1000
        queues = [
            _queue(name, reply[at * width : (at + 1) * width], held, census.workers, now_ms)
            for at, name in enumerate(names)
        ]
        return Part(tuple(queues), census.workers, tuple(filter(None, (census.note, held.note))))

    def close(self) -> None:
        """Nothing of its own is open."""

    def _bindings(self) -> Bindings:
        exchanges = [key for key in sorted(self._sweep.keys()) if not key.endswith(_NO_QUEUES)]
        if not exchanges:
            return {}
        with self._client.pipeline(transaction=False) as pipe:
            for key in exchanges:
                pipe.smembers(key)
            reply = pipe.execute(raise_on_error=False)
        return {
            (exchange.removeprefix(_BINDING), member[0]): member[2]
            for exchange, members in zip(exchanges, reply, strict=True)
            if isinstance(members, (set, list))
            for member in (text(raw).split(_SEPARATOR) for raw in members)
            if len(member) == 3 and member[2]  # noqa: PLR2004 - see the shape above
        }

    def _overview(self) -> tuple[int, int]:
        """Return how many jobs workers hold, and about how many bytes those have."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hlen("unacked").memory_usage("unacked", samples=5)
            held, size = pipe.execute(raise_on_error=False)
        return held if isinstance(held, int) else 0, size if isinstance(size, int) else 0

    def _census(self, held: int) -> Census:
        # kombu's subscriptions are patterns, which PUBSUB NUMSUB does not count; Flower and the like have one, too.
        subscribed = self._clients("pubsub", lambda client: client["psub"] != "0")
        listening = self._mailboxes() if subscribed is None else min(subscribed, self._mailboxes())
        if not listening and self._clients("normal", lambda client: client["cmd"] == "brpop") != 0:
            return Census(None, REMOTE_CONTROL_OFF)
        census = self._control.census(listening)
        # A worker that is dead listens no more; what listens beside workers holds no jobs.
        return Census(None, NO_ANSWER) if listening and census.workers == () and held else census

    def _mailboxes(self) -> int:
        return int(self._client.scard(_MAILBOXES))

    def _clients(self, kind: str, matches: Callable[[dict[str, str]], bool]) -> int | None:
        """Count clients of this database; None where we may not see them."""
        import redis

        try:
            clients = self._client.client_list(_type=kind)
        except redis.ResponseError:
            return None
        return len([client for client in clients if client["db"] == self._database and matches(client)])

    def _held(self, count: int, size: int, bindings: Bindings) -> _Held:
        if count > UNACKED_READ or size > UNACKED_READ_BYTES:
            return _Held(None, None, f"Celery's workers have {count} jobs of this database: too many to look at each")
        delayed, unacked = Counter[str](), Counter[str]()
        now_ms = time.time() * 1000
        messages = self._client.hvals("unacked") if count else []
        for message, exchange, routing_key in filter(None, map(_delivery, messages)):
            queue = bindings.get((exchange, routing_key), routing_key)
            due_ms = eta_ms(message.get("headers") or {})
            (delayed if due_ms is not None and due_ms > now_ms else unacked)[queue] += 1
        return _Held(delayed, unacked)


def _queue(
    name: str, reply: list[Any], held: _Held, workers: Iterable[WorkerState] | None, now_ms: float
) -> QueueState:
    lengths, following = reply[: len(PRIORITY_STEPS)], reply[len(PRIORITY_STEPS) :]
    known = [length for length in lengths if isinstance(length, int)]
    return QueueState(
        Framework.CELERY,
        name,
        ready=sum(known) if len(known) == len(lengths) else None,
        delayed=None if held.delayed is None else held.delayed[name],
        unacked=None if held.unacked is None else held.unacked[name],
        oldest_s=oldest_wait_s((celery_since_ms(next_one) for next_one in following if next_one), now_ms),
        workers=None if workers is None else sum(name in (worker.queues or ()) for worker in workers),
    )


def _key(queue: str, step: int) -> str:
    return f"{queue}{_SEPARATOR}{step}" if step else queue


def _delivery(value: bytes) -> tuple[dict[str, Any], str, str] | None:
    try:
        message, exchange, routing_key = json.loads(value)
    except (ValueError, TypeError):
        return None
    return (message, str(exchange), str(routing_key)) if isinstance(message, dict) else None
