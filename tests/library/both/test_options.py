"""``@jobspan.options`` above and below the libraries' own decorators."""

from __future__ import annotations

from typing import Any

import celery
import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker

import jobspan
from jobspan.instrumentors.celery.mapping import options_of as of_task
from jobspan.instrumentors.dramatiq.mapping import options_of as of_actor
from jobspan.job_options import JobOptions

UNTRACED = JobOptions(trace=False)
MARK = jobspan.options(trace=False)


def job() -> None: ...


def below(decorator: Any) -> Any:
    def function() -> None: ...

    return decorator(MARK(function))


def above(decorator: Any) -> Any:
    return MARK(decorator(job))


@pytest.mark.parametrize("place", [above, below])
@pytest.mark.parametrize("settings", [{}, {"bind": True}, {"autoretry_for": (ValueError,)}, {"lazy": False}])
def test_a_task_is_marked_wherever_the_mark_is(place: Any, settings: dict[str, Any]) -> None:
    app = celery.Celery(set_as_current=False)
    task = place(app.task(name="marked", shared=False, **settings))
    if settings.get("lazy", True):
        assert not task.__evaluated__(), "marking a task made it before its time"
    assert of_task(app.tasks["marked"]) == UNTRACED


def test_a_class_of_tasks_is_marked() -> None:
    @MARK
    class Quiet(celery.Task):  # type: ignore[misc]  # Celery has no types
        name = "quiet"

    app = celery.Celery(set_as_current=False)
    assert of_task(app.register_task(Quiet())) == UNTRACED
    assert of_task(None) == JobOptions()


async def waiting() -> None: ...


@pytest.mark.parametrize("place", [above, below, lambda decorator: decorator(MARK(waiting))])
def test_an_actor_is_marked_wherever_the_mark_is(place: Any) -> None:
    broker = StubBroker()
    actor = place(dramatiq.actor(actor_name="marked", broker=broker))
    assert of_actor(broker, "marked") == UNTRACED
    assert actor.options == {}
