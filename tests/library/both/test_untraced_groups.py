"""Groups of jobs that are to have no spans, as Celery and Dramatiq put them."""

from __future__ import annotations

from typing import Any

import celery
import dramatiq
from dramatiq.brokers.stub import StubBroker

import jobspan
from jobspan import CeleryInstrumentor, DramatiqInstrumentor
from library.conftest import Instrumentation

NAMES = ("quiet", "loud")


def names(instrumentation: Instrumentation) -> list[str]:
    """The names of all spans so far, sorted."""
    return sorted(span.name for span in instrumentation.spans)


def job() -> None:
    """Do nothing."""


def test_of_celery(instrumentation: Instrumentation) -> None:
    instrumentation.on(CeleryInstrumentor())
    app = celery.Celery("groups", broker="memory://", backend="cache+memory://", set_as_current=False)
    quiet, loud = (app.task(name=name, shared=False)(job) for name in NAMES)
    jobspan.options(trace=False)(quiet)
    steps = celery.chain(quiet.si(), loud.si(), app=app)
    celery.group([quiet.si(), steps], app=app).apply_async()
    celery.chord([quiet.si(), quiet.si()], quiet.si(), app=app).apply_async()
    assert [name for name in names(instrumentation) if "chord_unlock" not in name] == []
    celery.group([quiet.si(), loud.si()], app=app).apply_async()
    assert [name for name in names(instrumentation) if "unlock" not in name] == [
        "publish batch celery.group",
        "publish loud",
    ]


def test_of_dramatiq(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    d: Any = dramatiq  # its types do not go as far
    quiet, loud = (d.actor(job, actor_name=name, broker=broker) for name in NAMES)
    jobspan.options(trace=False)(quiet)
    d.group([quiet.message(), d.pipeline([quiet.message(), loud.message()], broker=broker)], broker=broker).run()
    assert names(instrumentation) == []
    d.group([quiet.message(), loud.message()], broker=broker).run()
    assert names(instrumentation) == ["publish batch group", "publish loud"]
