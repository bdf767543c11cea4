"""Whatever is where Celery's own headers belong, the job runs, and a publish and a run have their span."""

from __future__ import annotations

from uuid import uuid4

import pytest
from celery import Celery, Task
from celery.app.trace import build_tracer

from jobspan import CeleryInstrumentor
from jobspan import conventions as c
from jobspan.runs import is_publish, is_run
from library.conftest import Instrumentation

GARBAGE = [None, 5, -1, 2**70, 1.5, "x", [], ["a"], {"a": 1}, b"\xff", [None, None], (1, 2, 3)]
HEADERS = (
    "retries",
    "eta",
    "expires",
    "timelimit",
    "headers",
    "hostname",
    "jobspan-received",
    "lang",
    "origin",
    "stamps",
)


@pytest.fixture
def job(instrumentation: Instrumentation) -> Task:
    """A task of an instrumented application."""
    instrumentation.on(CeleryInstrumentor())
    app = Celery(f"app-{uuid4()}", broker="memory://", set_as_current=False)
    app.conf.update(task_ignore_result=True, task_default_queue=f"work-{uuid4()}")

    def ok() -> None:
        pass

    return app.task(name="ok", shared=False)(ok)


@pytest.mark.parametrize("header", HEADERS)
def test_a_run_with_a_header_that_is_none(instrumentation: Instrumentation, job: Task, header: str) -> None:
    run = build_tracer(job.name, job, app=job.app)
    for garbage in GARBAGE:
        run("job-1", (), {}, {"id": "job-1", "delivery_info": {"routing_key": "work"}, header: garbage})
    spans = [span for span in instrumentation.spans if is_run(span)]
    assert [span.attributes[c.JOBSPAN_JOB_OUTCOME] for span in spans] == ["succeeded"] * len(GARBAGE)
    attempts = [6 if header == "retries" and garbage == 5 else 1 for garbage in GARBAGE]
    assert [span.attributes[c.JOBSPAN_JOB_ATTEMPT] for span in spans] == attempts


def test_a_publish_with_retries_that_are_none_and_one_to_a_queue_that_is_none(
    instrumentation: Instrumentation, job: Task
) -> None:
    job.apply_async(retries="x")
    with pytest.raises(TypeError):
        job.apply_async(queue=["a"])
    spans = [span for span in instrumentation.spans if is_publish(span)]
    assert [(span.status, span.attributes[c.JOBSPAN_JOB_ATTEMPT]) for span in spans] == [("unset", 1), ("error", 1)]
