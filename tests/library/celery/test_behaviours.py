"""What we lean on in Celery: an upgrade that changes it fails here first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from billiard import common as billiard_common
from celery import Celery, Task, signals
from celery.concurrency.solo import TaskPool
from celery.contrib.testing.worker import start_worker
from celery.exceptions import Ignore, Reject, Retry
from celery.worker.request import Request, create_request_cls
from kombu.connection import Connection
from kombu.transport import memory

from jobspan.instrumentors.celery.mapping import broker_of, broker_of_publish, unix_ns
from support.waiting import wait_until


class Trouble(Exception):
    """The tasks' own exception."""


TROUBLE, BUSY = Trouble("no"), Trouble("busy")
RAISED = {"FAILURE": TROUBLE, "IGNORED": Ignore(), "REJECTED": Reject("no", requeue=False)}

app = Celery("behaviours", broker="memory://", set_as_current=False)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)


@app.task(name="plain", shared=False)
def plain() -> None:
    """Succeed."""


@app.task(name="raises", shared=False)
def raises(state: str) -> None:
    """Raise what leads to a state."""
    raise RAISED[state]


@app.task(name="again", shared=False, bind=True)
def again(self: Task, countdown: float) -> None:
    """Ask for one retry."""
    if not self.request.retries:
        raise self.retry(exc=BUSY, countdown=countdown)


@pytest.fixture(scope="module", autouse=True)
def worker() -> Iterator[None]:
    """A worker in this process; to stop one takes seconds."""
    with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=10):
        yield


class Heard:
    """What signals were sent with, by the signal's name."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return what each call of a signal was given, and the request as it was then."""
        return [said for signal, said in self.calls if signal == name]

    def hook(self, name: str) -> Callable[..., None]:
        """Make a receiver."""

        def hear(**said: Any) -> None:
            request = said["task"].request if "task" in said else None
            self.calls.append(
                (name, {**said, "request": request, "request_vars": dict(vars(request) if request else {})})
            )

        return hear


@contextmanager
def connected(signal: Any, receiver: Callable[..., None]) -> Iterator[None]:
    """Connect a receiver for a while."""
    mark = f"{signal.name}-{id(receiver)}"
    signal.connect(receiver, weak=False, dispatch_uid=mark)
    try:
        yield
    finally:
        signal.disconnect(dispatch_uid=mark)


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Listen to the signals that we listen to."""
    found = Heard()
    with ExitStack() as stack:
        for signal in (signals.before_task_publish, signals.task_prerun, signals.task_postrun):
            stack.enter_context(connected(signal, found.hook(signal.name)))
        yield found


def run(heard: Heard, task: Task, *args: Any, runs: int = 1, **options: Any) -> None:
    """Put a task and wait until the worker has run it."""
    task.apply_async(args=args, **options)
    wait_until(lambda: len(heard.of("task_postrun")) >= runs, deadline_s=10, what=f"{runs} runs end")


def test_headers_given_to_before_task_publish_are_those_that_travel(heard: Heard) -> None:
    with connected(signals.before_task_publish, lambda headers, **_: headers.update(mark="set")):
        run(heard, plain)
    assert heard.of("task_prerun")[0]["request_vars"]["mark"] == "set"


def test_what_the_main_process_adds_to_a_request_reaches_the_run(heard: Heard) -> None:
    with connected(signals.task_received, lambda request, **_: request.request_dict.update(mark="set")):
        run(heard, plain)
    assert heard.of("task_prerun")[0]["request_vars"]["mark"] == "set"


@pytest.mark.parametrize("state", RAISED)
def test_task_postrun_has_the_state_and_the_tasks_own_exception(heard: Heard, state: str) -> None:
    run(heard, raises, state)
    (said,) = heard.of("task_postrun")
    assert said["state"] == state
    assert said["retval"] is RAISED[state]
    assert said["retval"].__traceback__ is not None


def test_task_postrun_of_a_retry_has_the_retry_with_its_cause_and_time(heard: Heard) -> None:
    run(heard, again, 0.01, runs=2)
    first, second = heard.of("task_postrun")
    assert (first["state"], second["state"]) == ("RETRY", "SUCCESS")
    assert isinstance(first["retval"], Retry)
    assert first["retval"].exc is BUSY
    assert first["retval"].when == 0.01
    assert second["request_vars"]["retries"] == 1


def test_the_request_of_a_run_is_one_object_from_prerun_to_postrun(heard: Heard) -> None:
    run(heard, plain)
    (before,), (after,) = heard.of("task_prerun"), heard.of("task_postrun")
    assert before["request"] is after["request"]


def test_a_retried_task_names_itself_as_its_parent(heard: Heard) -> None:
    run(heard, again, 0, runs=2)
    first, retry = heard.of("before_task_publish")
    assert first["headers"]["parent_id"] is None
    assert retry["headers"]["parent_id"] == retry["headers"]["id"]


def test_an_eta_is_iso_text_that_we_can_read(heard: Heard) -> None:
    before = time.time_ns()
    run(heard, plain, countdown=0.2)
    eta = unix_ns(heard.of("task_prerun")[0]["request_vars"]["eta"])
    assert eta is not None
    assert 0.1e9 < eta - before < 5e9


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://user:s3cret@cache:6380/1", ("redis", "cache", 6380)),
        ("amqp://user:s3cret@mq//", ("rabbitmq", "mq", 5672)),
        ("redis+socket://:s3cret@/run/redis.sock?virtual_host=1", ("redis", "/run/redis.sock", None)),
        ("redis+socket:///run/redis.sock?password=s3cret", ("redis", "/run/redis.sock", None)),
        ("redis+socket://:s3/cret@/run/redis.sock", ("redis", None, None)),
        ("memory://", ("memory", None, None)),
        ("filesystem://", ("filesystem", None, None)),
    ],
)
def test_a_broker_is_known_by_its_real_name_and_never_by_its_password(url: str, broker: tuple[Any, ...]) -> None:
    found = broker_of(Celery(broker=url, set_as_current=False))
    assert tuple(found) == broker


class ReadsUrls(memory.Transport):
    """A transport that is given the whole URL, as MongoDB's is."""

    driver_type, can_parse_url = "mongodb", True


def test_kombu_leaves_the_password_in_the_url_of_a_transport_that_reads_it_and_we_do_not() -> None:
    given = Connection("mongodb://user:s3cret@one:1,two:2/jobs", transport=ReadsUrls)  # type: ignore[no-untyped-call]  # it has no types
    assert "s3cret" in str(given.hostname)
    assert tuple(broker_of_publish(app, given, None)) == ("mongodb", "one", None)


@pytest.mark.parametrize("name", ["_announce_revoked", "_announce_cancelled", "on_timeout", "reject"])
def test_the_main_process_calls_these_methods_of_its_request_class(name: str) -> None:
    assert name in vars(Request)
    base = create_request_cls(Request, plain, TaskPool(app=app), "worker", None)
    assert getattr(base, name) is getattr(Request, name)


def test_prefork_is_the_only_pool_with_a_semaphore() -> None:
    from celery.concurrency import prefork, solo, thread

    assert prefork.TaskPool.uses_semaphore
    assert not solo.TaskPool.uses_semaphore
    assert not thread.TaskPool.uses_semaphore


def test_billiards_signal_handler_leaves_a_mark_before_it_unwinds() -> None:
    mark = billiard_common._should_have_exited
    try:
        with pytest.raises(SystemExit):
            billiard_common._shutdown_cleanup(0, None)
        assert mark == [True]
    finally:
        mark[0] = False


def test_a_retry_knows_the_job_that_it_put_on_the_queue(heard: Heard) -> None:
    run(heard, again, 0, runs=2)
    first = heard.of("task_postrun")[0]
    assert first["retval"].sig.options["task_id"] == first["request"].id
