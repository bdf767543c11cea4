"""What a broker knows of real queues and workers, read without changing a byte of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pika
import pytest
import redis as redis_client

from jobspan.brokers import open_broker
from jobspan.brokers.base import BrokerReader, BrokerState, QueueState, WorkerState
from jobspan.errors import BrokerError
from jobspan.jobs import Framework
from support.otlp import Collector
from support.ports import LOOPBACK, free_port
from support.processes import Program
from support.servers import Broker, RabbitMQ, Redis
from support.stage import Stage
from support.waiting import wait_until

CELERY, DRAMATIQ = Framework.CELERY, Framework.DRAMATIQ
SETTLES_S = 20.0
"""RabbitMQ renews its counts every 5 s."""


@pytest.fixture
def read() -> Iterator[Callable[..., BrokerReader]]:
    """Open readers that are closed at the end."""
    readers: list[BrokerReader] = []

    def opened(url: str, **options: Any) -> BrokerReader:
        readers.append(open_broker(url, **options))
        return readers[-1]

    yield opened
    for reader in readers:
        reader.close()


@pytest.fixture
def management(rabbitmq_server: RabbitMQ) -> str:
    """Where RabbitMQ's management API is."""
    return f"http://{LOOPBACK}:{rabbitmq_server.management_port}"


def _busy_dramatiq(stage: Stage) -> Program:
    """One job runs, one is prefetched, three are ready, two delayed, one is dead. Returns the worker."""
    stage.set(dramatiq_queue_prefetch="2")
    worker = stage.dramatiq(threads=1, stop_s=0.5)
    begun = len(stage.diary.runs)
    stage.put("dramatiq:fail", "dramatiq:slow=60")
    wait_until(lambda: len(stage.diary.runs) == begun + 2, deadline_s=20, what="the long job begins")
    _put_later(stage, "from apps.dramatiq_app import ok, put", "put(ok, delay=600_000)")
    stage.put(*["dramatiq:ok"] * 4)
    return worker


def _busy_celery(stage: Stage) -> Program:
    """One job runs and is acknowledged already, the worker holds two delayed and one prefetched, three are ready."""
    worker = stage.celery(concurrency=1, args=["--prefetch-multiplier", "1"], stop_s=0.5)
    _put_later(stage, "from apps.celery_app import ok, put", "put(ok, countdown=600)")
    begun = len(stage.diary.runs)
    stage.put("celery:slow=60")
    wait_until(lambda: len(stage.diary.runs) == begun + 1, deadline_s=20, what="the long job begins")
    stage.put(*["celery:ok"] * 4)
    return worker


def _put_later(stage: Stage, imports: str, put: str) -> None:
    assert stage.run("python", "-c", f"{imports}; {put}; {put}") == 0


def _seen(reader: BrokerReader, *expected: QueueState) -> BrokerState:
    """Wait until the broker says so, set aside how long the oldest has waited."""
    last = reader.look()

    def says_so() -> bool:
        nonlocal last
        last = reader.look()
        return _without_ages(last) == expected

    with contextlib.suppress(TimeoutError):
        wait_until(says_so, deadline_s=SETTLES_S, what="the broker says what stands in it")
    assert _without_ages(last) == expected
    return last


def _without_ages(state: BrokerState) -> tuple[QueueState, ...]:
    return tuple(replace(queue, oldest_s=None) for queue in state.queues)


def _everything(url: str, *, without: str = "^$") -> dict[bytes, Any]:
    """Return every key of a Redis database with what is in it; not by DUMP, whose order of a hash changes by itself."""
    with redis_client.Redis.from_url(url) as client:
        return {key: _content(client, key) for key in client.scan_iter() if not re.search(without, key.decode())}


def _content(client: Any, key: bytes) -> tuple[int, Any]:
    reads = {
        b"string": client.get,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    return client.ttl(key), reads[client.type(key)](key)


def test_a_dramatiq_queue_on_redis(stage: Stage, read: Callable[..., BrokerReader]) -> None:
    _busy_dramatiq(stage)
    reader = read(stage.broker.url)
    state = _seen(reader, QueueState(DRAMATIQ, "work", ready=3, delayed=2, unacked=2, dead=1, workers=1))
    assert state.queues[0].oldest_s is not None
    assert 0 < state.queues[0].oldest_s < 30
    assert state.workers is not None
    (worker,) = state.workers
    assert worker == WorkerState(DRAMATIQ, worker.name, queues=("work",))


def test_a_celery_queue_on_redis(stage: Stage, read: Callable[..., BrokerReader]) -> None:
    _busy_celery(stage)
    reader = read(stage.broker.url)
    state = _seen(reader, QueueState(CELERY, "work", ready=3, delayed=2, unacked=1, workers=1))
    assert state.queues[0].oldest_s is not None
    assert 0 < state.queues[0].oldest_s < 30
    assert state.workers == (WorkerState(CELERY, f"celery@{os.uname().nodename}", queues=("work",), concurrency=1),)


def test_a_worker_that_cannot_answer_while_it_runs_a_job_is_not_taken_for_none(
    stage: Stage, read: Callable[..., BrokerReader]
) -> None:
    stage.celery(pool="solo", concurrency=1, expect=(".",))
    stage.put("celery:slow=8", *["celery:ok"] * 8)
    wait_until(lambda: len(stage.diary.runs) == 1, deadline_s=15, what="the worker is busy")
    state = read(stage.broker.url).look()
    assert state.workers is None
    assert [queue.workers for queue in state.queues] == [None]
    assert any("none answers" in note for note in state.notes)
    stage.wait_until_ended(9)


def test_a_dramatiq_queue_on_rabbitmq(
    rabbitmq_stage: Stage, management: str, read: Callable[..., BrokerReader]
) -> None:
    _busy_dramatiq(rabbitmq_stage)
    reader = read(rabbitmq_stage.broker.url, management=management)
    _seen(reader, QueueState(DRAMATIQ, "work", ready=3, delayed=2, unacked=2, dead=1, workers=1))
    # RabbitMQ counts a queue's consumers sooner than it lists them.
    workers = wait_until(lambda: reader.look().workers, deadline_s=SETTLES_S, what="the broker lists its consumers")
    assert workers is not None
    assert [(worker.framework, worker.queues) for worker in workers] == [(DRAMATIQ, ("work",))]


def test_a_celery_queue_on_rabbitmq(rabbitmq_stage: Stage, management: str, read: Callable[..., BrokerReader]) -> None:
    _busy_celery(rabbitmq_stage)
    reader = read(rabbitmq_stage.broker.url, management=management)
    # Delayed jobs are held by the worker, and nobody tells them from running ones.
    state = _seen(reader, QueueState(CELERY, "work", ready=3, unacked=3, workers=1))
    assert state.workers == (WorkerState(CELERY, f"celery@{os.uname().nodename}", queues=("work",), concurrency=1),)


def test_named_queues_are_asked_over_amqp_where_there_is_no_management_api(
    rabbitmq_stage: Stage, read: Callable[..., BrokerReader]
) -> None:
    _busy_dramatiq(rabbitmq_stage)
    nowhere = f"http://{LOOPBACK}:{free_port()}"
    state = _seen(
        read(rabbitmq_stage.broker.url, management=nowhere, queues=("work", "absent")),
        QueueState(DRAMATIQ, "work", ready=3, dead=1, workers=1),
    )
    assert state.workers is None
    assert "only the queues named are looked at" in state.notes[0]
    with pytest.raises(BrokerError, match=r"does not answer at .*JOBSPAN_MANAGEMENT"):
        read(rabbitmq_stage.broker.url, management=nowhere).look()


def test_looking_leaves_every_byte_of_redis_as_it_was(stage: Stage, read: Callable[..., BrokerReader]) -> None:
    for worker in (_busy_celery(stage), _busy_dramatiq(stage)):
        worker.kill()
    before = _everything(stage.broker.url)
    assert {b"work", b"unacked", b"dramatiq:work", b"dramatiq:work.DQ.msgs", b"dramatiq:work.XQ"} <= before.keys()
    looking = [Thread(target=lambda: [read(stage.broker.url).look() for _ in range(5)]) for _ in range(2)]
    for thread in looking:
        thread.start()
    for thread in looking:
        thread.join()
    assert _everything(stage.broker.url) == before


def test_asking_celerys_workers_leaves_nothing_in_redis(stage: Stage, read: Callable[..., BrokerReader]) -> None:
    _busy_celery(stage)
    before = _everything(stage.broker.url, without="binding_deadlines")
    state = read(stage.broker.url).look()
    assert state.workers, "somebody was asked"
    assert _everything(stage.broker.url, without="binding_deadlines") == before


def test_a_look_costs_redis_a_handful_of_commands(own_redis: Redis, read: Callable[..., BrokerReader]) -> None:
    broker = own_redis.database()
    with redis_client.Redis.from_url(broker.url) as client:
        for number in range(2500):
            client.set(f"other:{number}", "x")
        client.rpush("dramatiq:work", "1")
        client.hset("dramatiq:work.msgs", "1", json.dumps({"message_timestamp": 1, "options": {}}))
        client.sadd("_kombu.binding.jobs", "jobs\x06\x16\x06\x16jobs")
        client.lpush("jobs", "{}")
        reader = read(broker.url)
        reader.look()
        client.config_resetstat()
        reader.look()
        spent = _commands(client)
    assert spent.pop("scan") <= 8, "a database of 2500 keys is gone through in 3 steps a pattern"
    assert spent == {
        # Dramatiq: one round trip for who is online, one for all queues, one for a waiting job of each.
        "zrangebyscore": 1,
        "hlen": 3,
        "zcard": 1,
        "lrange": 1,
        "exists": 1,
        "hmget": 1,
        # Celery: bindings; how many are held, and who listens; four priorities of each queue.
        "smembers": 1,
        "memory|usage": 1,
        "client|list": 2,
        "scard": 1,
        "lindex": 4,
        "llen": 5,
        "multi": 2,
        "exec": 2,
    }


def _commands(client: Any) -> Counter[str]:
    said = client.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): int(stats["calls"]) for name, stats in said.items()}
    return Counter({name: count for name, count in calls.items() if not name.startswith(("config", "info"))})


def test_looking_leaves_rabbitmqs_messages_where_they_are_and_not_redelivered(
    rabbitmq: Broker, management: str, collector: Collector, tmp_path: Path, read: Callable[..., BrokerReader]
) -> None:
    stage = Stage(rabbitmq, collector, tmp_path)
    stage.put(*["celery:ok"] * 3)
    expected = QueueState(CELERY, "work", ready=3, unacked=0, workers=0)
    first, second = (read(rabbitmq.url, management=management, frameworks=(CELERY,)) for _ in range(2))
    _seen(first, expected)
    _seen(second, expected)
    read(rabbitmq.url, management=f"http://{LOOPBACK}:{free_port()}", queues=("work",)).look()
    connection = pika.BlockingConnection(pika.URLParameters(rabbitmq.url))
    channel = connection.channel()
    got = [channel.basic_get("work", auto_ack=True) for _ in range(4)]
    connection.close()
    assert [method and method.redelivered for method, _, _ in got] == [False, False, False, None]
    stage.close()


def test_a_server_that_is_gone_is_one_line_at_once(own_redis: Redis, read: Callable[..., BrokerReader]) -> None:
    reader = read(own_redis.database().url)
    reader.look()
    own_redis.kill()
    with pytest.raises(BrokerError, match=r"redis at 127\.0\.0\.1:\d+ cannot be reached: .*is it running"):
        reader.look()
    own_redis.restart()
    assert reader.look().queues == ()


def test_a_server_that_says_nothing_over_amqp_is_one_line(
    monkeypatch: pytest.MonkeyPatch, read: Callable[..., BrokerReader]
) -> None:
    monkeypatch.setattr("jobspan.brokers.rabbitmq_amqp._ANSWER_S", 0.2)
    nowhere = f"http://{LOOPBACK}:{free_port()}"
    with socket.create_server((LOOPBACK, free_port())) as silent:
        port = silent.getsockname()[1]
        reader = read(f"amqp://guest:secret@{LOOPBACK}:{port}//", management=nowhere, queues=("work",))
        with pytest.raises(BrokerError, match=rf"rabbitmq at {LOOPBACK}:{port} cannot be reached: .*Timeout") as gone:
            reader.look()
    assert "secret" not in str(gone.value)


def test_what_workers_hold_is_not_read_where_it_is_too_much(redis: Broker, read: Callable[..., BrokerReader]) -> None:
    with redis_client.Redis.from_url(redis.url) as client:
        client.sadd("_kombu.binding.work", "work\x06\x16\x06\x16work")
        client.hset("unacked", mapping={str(number): "[]" for number in range(1001)})
    state = read(redis.url).look()
    assert state.queues == (QueueState(CELERY, "work", ready=0, workers=0),)
    assert state.notes == ("Celery's workers have 1001 jobs of this database: too many to look at each",)
