"""Dramatiq's keys in a Redis database (``dispatch.lua`` of Dramatiq 1.17 to 2.2)::

dramatiq:{queue}        list of ids        dramatiq:{queue}.msgs     hash of id → message, until acknowledged
dramatiq:{queue}.DQ     the same, delayed  dramatiq:{queue}.DQ.msgs
dramatiq:{queue}.XQ     sorted set, dead   dramatiq:{queue}.XQ.msgs
dramatiq:__acks__.{process}.{queue}        set of the ids that a process holds
dramatiq:__heartbeats__                    sorted set of processes by their last call, ms
"""

from __future__ import annotations

import re
import time
from typing import Any

from jobspan.brokers.address import Address
from jobspan.brokers.base import Part, QueueState, WorkerState
from jobspan.brokers.redis_scan import KeySweep, text
from jobspan.brokers.waiting import dramatiq_since_ms, oldest_wait_s
from jobspan.jobs import Framework
from jobspan.named_tuple import NamedTuple

NAMESPACE = "dramatiq"
ONLINE_S = 15.0
"""A process whose last call is older is not online: an idle worker asks for jobs every second."""

STARVED_S = 10.0
"""A ready job waits so long only where no worker takes from its queue, or all hold as many as they may."""

_ACKS = f"{NAMESPACE}:__acks__."
_HEARTBEATS = f"{NAMESPACE}:__heartbeats__"
_QUEUE = re.compile(rf"{NAMESPACE}:(?!__)(.+?)(?:\.DQ|\.XQ)?(?:\.msgs)?", re.DOTALL)
_HOLDER = re.compile(rf"{re.escape(_ACKS)}([0-9a-f-]{{36}})\.(.+?)(?:\.DQ)?", re.DOTALL)
_NEXT = 3


class _Answers(NamedTuple):
    waiting: Any
    unsettled: Any
    delayed: Any
    dead: Any
    next_ids: Any
    holders: Any


class DramatiqKeys:
    """Reads the keys under ``dramatiq:``."""

    def __init__(self, client: Any, _address: Address, queues: tuple[str, ...]) -> None:
        self._client = client
        self._sweep = KeySweep(client, f"{NAMESPACE}:*")
        # An empty queue has no key: what was once seen stays known, and is then empty.
        self._queues = set(queues)
        self._unheld_since: dict[str, float] = {}
        self._watched_s = 0.0

    def look(self) -> Part:
        """Return queues, and the processes that hold jobs of them."""
        keys = self._sweep.keys()
        self._queues |= {found[1] for found in map(_QUEUE.fullmatch, keys) if found}
        names = sorted(self._queues)
        if not names and _HEARTBEATS not in keys:
            return Part()
        now_ms = time.time() * 1000
        online = self._online(now_ms)
        answers = self._ask(names, online)
        # Under the same prefix others may keep keys that are no list.
        answers = {name: reply for name, reply in answers.items() if isinstance(reply.waiting, int)}
        self._queues = set(answers)
        oldest_s = self._oldest_s(answers, now_ms)
        queues = [
            _queue(name, reply, oldest_s.get(name), self._takers(name, reply, oldest_s.get(name)) if online else 0)
            for name, reply in answers.items()
        ]
        self._watched_s = STARVED_S
        return Part(tuple(queues), _workers(keys, online), _notes(online, queues))

    def close(self) -> None:
        """Nothing of its own is open."""

    def _online(self, now_ms: float) -> list[str]:
        return [text(process) for process in self._client.zrangebyscore(_HEARTBEATS, now_ms - ONLINE_S * 1000, "+inf")]

    def _ask(self, names: list[str], online: list[str]) -> dict[str, _Answers]:
        # One transaction: a job that moves meanwhile is counted once.
        with self._client.pipeline(transaction=True) as pipe:
            for name in names:
                key = f"{NAMESPACE}:{name}"
                pipe.llen(key).hlen(f"{key}.msgs").hlen(f"{key}.DQ.msgs").zcard(f"{key}.XQ")
                pipe.lrange(key, 0, _NEXT - 1)
                # Without a process online the key is one that no process has.
                pipe.exists(*[f"{_ACKS}{process}.{name}" for process in online or ["none"]])
            reply = pipe.execute(raise_on_error=False)
        width = len(_Answers._fields)
        return {name: _Answers(*reply[at * width : (at + 1) * width]) for at, name in enumerate(names)}

    def _oldest_s(self, answers: dict[str, _Answers], now_ms: float) -> dict[str, float | None]:
        """Return the wait of each queue's next job, where one waits."""
        waiting = {name: reply.next_ids for name, reply in answers.items() if isinstance(reply.next_ids, list)}
        waiting = {name: ids for name, ids in waiting.items() if ids}
        if not waiting:
            return {}
        with self._client.pipeline(transaction=False) as pipe:
            for name, ids in waiting.items():
                pipe.hmget(f"{NAMESPACE}:{name}.msgs", ids)
            reply = pipe.execute(raise_on_error=False)
        return {
            name: oldest_wait_s(map(dramatiq_since_ms, messages), now_ms)
            for name, messages in zip(waiting, reply, strict=True)
            if isinstance(messages, list)
        }

    def _takers(self, name: str, reply: _Answers, oldest_s: float | None) -> int | None:
        """Return how many workers take from a queue, while some program is online.

        A worker that takes from a queue in which jobs are ready holds some of it. Idle workers cannot be
        distinguished from programs that publish jobs, and do not report their queues.
        """
        holders, now_s = _count(reply.holders), time.monotonic()
        if holders or not _count(reply.waiting):
            self._unheld_since.pop(name, None)
            return holders or None
        since_s = self._unheld_since.setdefault(name, now_s)
        # A message may not say that it was delayed: after the first look, what we saw ourselves counts as well.
        is_starved = oldest_s is not None and oldest_s > STARVED_S and now_s - since_s >= self._watched_s
        return 0 if is_starved else None


def _queue(name: str, reply: _Answers, oldest_s: float | None, workers: int | None) -> QueueState:
    ready, unsettled = _count(reply.waiting), _count(reply.unsettled)
    return QueueState(
        Framework.DRAMATIQ,
        name,
        ready=ready,
        delayed=_count(reply.delayed),
        unacked=None if ready is None or unsettled is None else max(unsettled - ready, 0),
        dead=_count(reply.dead),
        oldest_s=oldest_s,
        workers=workers,
    )


def _workers(keys: frozenset[str], online: list[str]) -> tuple[WorkerState, ...]:
    held: dict[str, set[str]] = {}
    for found in map(_HOLDER.fullmatch, keys):
        if found:
            held.setdefault(found[1], set()).add(found[2])
    return tuple(
        WorkerState(Framework.DRAMATIQ, process, queues=tuple(sorted(held[process])))
        for process in sorted(online)
        if process in held
    )


def _notes(online: list[str], queues: list[QueueState]) -> tuple[str, ...]:
    if not online or all(queue.workers is not None for queue in queues):
        return ()
    both = f"{len(online)} of both called in the last {ONLINE_S:.0f} s"
    return (
        f"Dramatiq on Redis: only workers that hold jobs can be distinguished from programs that publish jobs ({both})",
    )


def _count(answer: Any) -> int | None:
    return answer if isinstance(answer, int) else None
