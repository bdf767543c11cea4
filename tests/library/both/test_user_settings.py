"""What a user gives to ``instrument()`` or in the environment holds in both libraries; hooks may do anything."""

from __future__ import annotations

from typing import Any

import dramatiq
import pytest
from celery import Celery
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker

from jobspan import CeleryInstrumentor, DramatiqInstrumentor
from jobspan.recording.safety import dropped
from library.conftest import Instrumentation


def celery_work() -> None:
    """Put one task, and run it here."""
    app = Celery(broker="memory://", set_as_current=False)

    @app.task(name="greet", shared=False)  # type: ignore[untyped-decorator]  # Celery's stubs leave it untyped here
    def greet() -> None:
        pass

    greet.delay()
    assert greet.apply().state == "SUCCESS"
    app.close()


def dramatiq_work() -> None:
    """Put one message, and let a worker do it."""
    broker = StubBroker()
    actor = dramatiq.actor(actor_name="greet", broker=broker)(lambda: None)
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        actor.send()
        broker.join(actor.queue_name)
        worker.join()
    finally:
        worker.stop()


EACH = pytest.mark.parametrize(
    ("instrumentor", "work"),
    [(CeleryInstrumentor, celery_work), (DramatiqInstrumentor, dramatiq_work)],
    ids=["celery", "dramatiq"],
)


@EACH
def test_hooks_add_to_the_spans_of_their_kind(instrumentation: Instrumentation, instrumentor: Any, work: Any) -> None:
    def publish_hook(span: Any, job: Any) -> None:
        span.set_attribute("shop.put", f"{job.framework.value} {job.name} {job.attempt}")

    def run_hook(span: Any, job: Any) -> None:
        span.set_attribute("shop.ran", f"{job.framework.value} {job.name} {job.attempt}")

    instrumentation.on(instrumentor(), publish_hook=publish_hook, run_hook=run_hook)
    work()
    said = f"{instrumentor.library} greet 1"
    assert [(s.name, s.attributes.get("shop.put"), s.attributes.get("shop.ran")) for s in instrumentation.spans] == [
        ("publish greet", said, None),
        ("run greet", None, said),
    ]


@EACH
def test_a_hook_that_raises_harms_no_job(
    instrumentation: Instrumentation, instrumentor: Any, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(dropped, "count", lambda reason, *_, **__: counted.append(reason))

    def hook(*_: Any) -> None:
        raise LookupError("mine")

    instrumentation.on(instrumentor(), publish_hook=hook, run_hook=hook)
    work()
    assert [span.attributes.get("jobspan.job.outcome") for span in instrumentation.spans] == [None, "succeeded"]
    assert counted == ["hook_error:user"] * 2


@EACH
def test_jobs_whose_names_are_excluded_run_without_spans(
    instrumentation: Instrumentation, instrumentor: Any, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_PYTHON_JOBSPAN_EXCLUDED_JOBS", "other, gre*")
    instrumentation.on(instrumentor())
    work()
    assert instrumentation.spans == ()
