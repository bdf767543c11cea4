"""For tests of an application's own jobs: what was published and what ran, without a collector.

    pytest_plugins = ["jobspan.testing"]           # in conftest.py

    def test_an_order_sends_a_receipt(job_log):
        order(5)
        assert [job.name for job in job_log.published] == ["shop.send_receipt"]
        job_log.wait_for_runs(1)
        assert job_log.runs[0].outcome == "succeeded"

Nothing of this needs pytest or the SDK: ``EventLog`` and ``listening`` work alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from threading import Condition
from typing import Any, TypeVar

from jobspan.errors import JobspanError
from jobspan.events import Event, PublishFinished, PublishStarted, RunFinished, RunStarted
from jobspan.frameworks import TASK_LIBRARIES
from jobspan.jobs import Broker, Framework, Job, Outcome
from jobspan.named_tuple import NamedTuple

__all__ = ["EventLog", "SeenRun", "a_broker", "a_job", "a_publish", "a_run", "job_log", "listening"]

_INSTRUMENTORS = {library.distribution: library.instrumentor for library in TASK_LIBRARIES.values()} | {
    "click": "jobspan.instrumentors.commands:CommandInstrumentor"
}

E_ = TypeVar("E_")


class SeenRun(NamedTuple):
    """A run that ended. ``error`` is the job's own exception."""

    job: Job
    outcome: Outcome
    final: bool
    error: BaseException | None


class EventLog:
    """A sink that keeps every event; for all threads of a process."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._told = Condition()

    def __call__(self, event: Event) -> None:
        """Keep an event."""
        with self._told:
            self._events.append(event)
            self._told.notify_all()

    @property
    def events(self) -> tuple[Event, ...]:
        """All events, in the order in which they happened."""
        with self._told:
            return tuple(self._events)

    def of(self, kind: type[E_]) -> tuple[E_, ...]:
        """Return the events of one kind, such as ``jobspan.events.RunStarted``."""
        return tuple(event for event in self.events if isinstance(event, kind))

    @property
    def published(self) -> tuple[Job, ...]:
        """The jobs that were handed to the broker; those that could not be are not among them."""
        failed = {event.key for event in self.of(PublishFinished) if event.error is not None}
        return tuple(event.job for event in self.of(PublishStarted) if event.key not in failed)

    @property
    def runs(self) -> tuple[SeenRun, ...]:
        """The runs that ended, in that order."""
        open_runs: dict[Any, RunStarted] = {}
        found = []
        for event in self.events:
            if isinstance(event, RunStarted):
                open_runs[event.key] = event
            elif isinstance(event, RunFinished) and event.key in open_runs:
                job = open_runs.pop(event.key).job
                found.append(SeenRun(job, event.outcome, event.final, event.error))
        return tuple(found)

    def wait_for_runs(self, number: int, timeout_s: float = 10.0) -> tuple[SeenRun, ...]:
        """Wait until so many runs have ended and return them.

        Raises:
            JobspanError: they had not within the time.
        """
        deadline = time.monotonic() + timeout_s
        with self._told:
            while len(self.runs) < number:
                left = deadline - time.monotonic()
                if left <= 0 or not self._told.wait(left):
                    seen = len(self.runs)
                    raise JobspanError(f"{seen} runs ended within {timeout_s:g} s, expected {number}")
        return self.runs

    def clear(self) -> None:
        """Forget everything."""
        with self._told:
            self._events.clear()


@contextmanager
def listening() -> Iterator[EventLog]:
    """Keep every event of this process's installed task libraries and of Click, beside recording them as ever.

    What was instrumented before is instrumented as it was afterwards.
    """
    log = EventLog()
    with ExitStack() as stack:
        for library, path in _INSTRUMENTORS.items():
            if find_spec(library) is not None:
                module, _, name = path.partition(":")
                stack.enter_context(_listening_to(getattr(import_module(module), name)(), log))
        yield log


@contextmanager
def _listening_to(instrumentor: Any, log: EventLog) -> Iterator[None]:
    was_on = instrumentor.is_instrumented_by_opentelemetry
    if not was_on:
        instrumentor.instrument()
    instrumentor.listen(log)
    try:
        yield
    finally:
        instrumentor.listen(None)
        if not was_on:
            instrumentor.uninstrument()


def a_broker(**facts: Any) -> Broker:
    """Return a Redis on this host, or what the facts say instead."""
    return Broker(**{"system": "redis", "address": "localhost", "port": 6379, **facts})


def a_job(name: str = "job", **facts: Any) -> Job:
    """Return a Celery job on the queue ``default``, or what the facts (fields of ``Job``) say instead."""
    return Job(**{"framework": Framework.CELERY, "queue": "default", "id": f"{name}-1", "name": name, **facts})


def a_publish(
    job: Job | None = None, error: BaseException | None = None, **facts: Any
) -> tuple[PublishStarted, PublishFinished]:
    """Return both events of a publish of a millisecond; facts are fields of ``PublishStarted``."""
    values: dict[str, Any] = {"job": job or a_job(), "broker": a_broker(), "carrier": {}, "at_ns": time.time_ns()}
    began = PublishStarted(**{"key": object(), **values, **facts})
    return began, PublishFinished(began.key, error, began.at_ns + 1_000_000)


def a_run(
    job: Job | None = None, outcome: Outcome = Outcome.SUCCEEDED, *, final: bool = True, **facts: Any
) -> tuple[RunStarted, RunFinished]:
    """Return both events of a run of a second; facts are fields of ``RunStarted``, or ``error``."""
    error = facts.pop("error", None)
    values: dict[str, Any] = {"job": job or a_job(), "broker": a_broker(), "carrier": {}, "worker": "worker@host"}
    began = RunStarted(**{"key": object(), "at_ns": time.time_ns(), **values, **facts})
    return began, RunFinished(began.key, outcome, final, began.at_ns + 1_000_000_000, error=error)


try:
    import pytest
except ImportError:  # without pytest the rest is of use all the same
    pass
else:

    @pytest.fixture
    def job_log() -> Iterator[EventLog]:
        """Everything that this test publishes, and what runs in this process meanwhile."""
        with listening() as log:
            yield log
