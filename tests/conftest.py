"""Fixtures for all rings, and the output of a failed test's programs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.jaeger import Jaeger
from support.otlp import Collector
from support.processes import STARTED
from support.servers import Broker, RabbitMQ, Redis
from support.stage import Stage


def leave_forks_alone() -> None:
    """Have gRPC do nothing when a test forks this process: it would start threads in the children.

    gRPC reads the variable once; the programs that tests start run with gRPC's default, as users' programs do.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRPC_ENABLE_FORK_SUPPORT", "false")
        grpc.insecure_channel("127.0.0.1:1").close()


leave_forks_alone()


@pytest.fixture(scope="session", autouse=True)
def own_flight_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what other processes of this user left behind out of this one's spans."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_PYTHON_JOBSPAN_STATE_DIR", str(tmp_path_factory.mktemp("flight")))
        yield


@pytest.fixture(autouse=True)
def warnings_are_heard() -> None:
    """Undo what a Celery worker in this process did: it sets the level of all loggers, and leaves it so."""
    logging.getLogger().setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server for the whole session; do not kill it (``own_redis`` is for that)."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def rabbitmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A RabbitMQ server for the whole session."""
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def jaeger_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    """A Jaeger for the whole session: what others sent it is there too."""
    server = Jaeger(tmp_path_factory.mktemp("jaeger"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def own_jaeger(tmp_path: Path) -> Iterator[Jaeger]:
    """A Jaeger that is empty at the start, and may be killed."""
    folder = tmp_path / "jaeger"
    folder.mkdir()
    server = Jaeger(folder)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def redis(redis_server: Redis) -> Broker:
    """An empty Redis database of the test's own."""
    return redis_server.database()


@pytest.fixture
def rabbitmq(rabbitmq_server: RabbitMQ) -> Broker:
    """An empty RabbitMQ virtual host of the test's own."""
    return rabbitmq_server.virtual_host()


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis server that the test may kill and restart."""
    folder = tmp_path / "own-redis"
    folder.mkdir()
    server = Redis(folder)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def own_rabbitmq(tmp_path: Path) -> Iterator[RabbitMQ]:
    """A RabbitMQ server that the test may kill and restart."""
    folder = tmp_path / "own-rabbitmq"
    folder.mkdir()
    server = RabbitMQ(folder)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """An OTLP collector of the test's own."""
    with Collector() as listening:
        yield listening


@pytest.fixture
def stage(redis: Broker, collector: Collector, tmp_path: Path) -> Iterator[Stage]:
    """Redis, collector, diary, and workers on call."""
    yield from _stage(redis, collector, tmp_path)


@pytest.fixture
def rabbitmq_stage(rabbitmq: Broker, collector: Collector, tmp_path: Path) -> Iterator[Stage]:
    """The same over RabbitMQ."""
    yield from _stage(rabbitmq, collector, tmp_path)


@pytest.fixture(params=["redis", "rabbitmq"])
def each_stage(request: pytest.FixtureRequest, collector: Collector, tmp_path: Path) -> Iterator[Stage]:
    """The same over each broker in turn."""
    yield from _stage(request.getfixturevalue(request.param), collector, tmp_path)


def _stage(broker: Broker, collector: Collector, folder: Path) -> Iterator[Stage]:
    set_up = Stage(broker, collector, folder)
    try:
        yield set_up
    finally:
        set_up.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that may take longest: one that begins last keeps all processes but its own idle."""
    items.sort(key=_timeout, reverse=True)


def _timeout(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return mark.args[0] if mark else 0


TOGETHER = ("tests/brokers/test_reading.py",)
"""Files whose tests share workers and servers that take long to start: each runs in one process."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out tests in their order, one by one, but those of ``TOGETHER`` by file.

    ``--dist loadgroup`` is for this, but no longer groups anything under pytest 9.2 (pytest-xdist 3.8, issue 1386).
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByTestOrFile(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return file if file in TOGETHER else nodeid

    return ByTestOrFile(config, log)


def pytest_runtest_setup() -> None:
    """Forget the programs of the test before."""
    STARTED.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show what the programs printed when the test fails."""
    report: pytest.TestReport = yield  # type: ignore[assignment]  # a wrapper hook receives what it wraps
    if report.failed:
        report.sections += [(f"output of {program.name}", program.log[-6000:]) for program in STARTED]
    return report  # type: ignore[return-value]  # and returns it
