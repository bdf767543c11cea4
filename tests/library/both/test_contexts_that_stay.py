"""A context that outlives its run, in a thread that the job started, still knows the job, and keeps no argument."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any
from weakref import ref

import dramatiq
import pytest
from celery import Celery
from celery.app.trace import build_tracer
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from jobspan import CeleryInstrumentor, DramatiqInstrumentor, current_job

Ran = tuple[Context, Callable[[], object]]
"""A copy of the context that a job ran in, and a weak reference to its argument."""


class Argument(list[int]):
    """Something that can be asked whether it is still there."""


def in_celery(provider: TracerProvider) -> Ran:
    """Run a task in the way of a worker."""
    app = Celery("stays", broker="memory://", backend="cache+memory://", set_as_current=False)
    found: list[Context] = []

    @app.task(name="stays", shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def work(_: Argument) -> None:
        found.append(copy_context())

    argument = Argument([1])
    instrumentor = CeleryInstrumentor()
    instrumentor.instrument(tracer_provider=provider, state_dir="off")
    try:
        request = {"id": "1", "task": "stays", "hostname": "w1", "is_eager": False, "retries": 0, "args": (argument,)}
        build_tracer("stays", work, app=app)("1", (argument,), {}, request)
    finally:
        instrumentor.uninstrument()
    return found.pop(), ref(argument)


def in_dramatiq(provider: TracerProvider) -> Ran:
    """Run a job in a worker."""
    broker, found = StubBroker(middleware=[]), []
    dramatiq.set_encoder(dramatiq.PickleEncoder())
    instrumentor = DramatiqInstrumentor()
    instrumentor.instrument(tracer_provider=provider, state_dir="off")
    try:
        dramatiq.set_broker(broker)

        @dramatiq.actor(actor_name="stays", broker=broker)
        def work(argument: Argument) -> None:
            found.append((copy_context(), ref(argument)))

        worker = Worker(broker, worker_timeout=10, worker_threads=1)
        worker.start()
        try:
            work.send(Argument([1]))
            broker.join("default", timeout=10_000)
            worker.join()
        finally:
            worker.stop()
    finally:
        instrumentor.uninstrument()
        dramatiq.set_encoder(dramatiq.JSONEncoder())
    return found.pop()


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ALWAYS_ON], ids=["unsampled", "sampled"])
@pytest.mark.parametrize("run", [in_celery, in_dramatiq])
def test_it_knows_the_job_and_keeps_no_argument(run: Callable[[TracerProvider], Ran], sampler: Sampler) -> None:
    context, argument = run(TracerProvider(sampler=sampler, shutdown_on_exit=False))
    gc.collect()
    job: Any = context.run(current_job)
    assert (job.name, job.attempt, argument()) == ("stays", 1, None)
