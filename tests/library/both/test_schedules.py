"""What a schedule puts says which schedule, and by which entry."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import uuid4

import apscheduler.executors.base
import apscheduler.executors.debug
import apscheduler.executors.pool
import celery.beat
import pytest
from apscheduler.executors.pool import ProcessPoolExecutor, ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from celery import Celery
from opentelemetry.trace import use_span

from jobspan import CeleryInstrumentor, DramatiqInstrumentor
from jobspan import conventions as c
from jobspan.runs import Span
from library.conftest import Instrumentation

PATCHED = (
    (celery.beat.Scheduler, "apply_async"),
    (celery.beat.Scheduler, "apply_entry"),
    (apscheduler.executors.base, "run_job"),
    (apscheduler.executors.base, "run_coroutine_job"),
    (apscheduler.executors.pool, "run_job"),
    (apscheduler.executors.debug, "run_job"),
)


def new_app() -> Celery:
    """An application of its own on a memory broker."""
    app = Celery(f"app-{uuid4()}", broker="memory://", set_as_current=False)
    app.conf.update(task_default_queue=f"work-{uuid4()}", task_ignore_result=True)
    return app


def schedule_of(span: Span) -> tuple[Any, Any]:
    """What a span says of its schedule."""
    return span.attributes.get(c.JOBSPAN_JOB_SCHEDULED_BY), span.attributes.get(c.JOBSPAN_JOB_SCHEDULE_NAME)


@pytest.mark.parametrize("is_known", [True, False])
def test_each_tick_of_beat_is_a_root_and_names_its_entry(instrumentation: Instrumentation, is_known: bool) -> None:
    instrumentation.on(CeleryInstrumentor())
    app = new_app()
    if is_known:

        @app.task(name="report", shared=False)
        def report() -> None:
            """Known to this process."""

    app.conf.beat_schedule = {"nightly": {"task": "report", "schedule": 3600.0}}
    scheduler = celery.beat.Scheduler(app)
    entry = scheduler.schedule["nightly"]
    with use_span(instrumentation.provider.get_tracer("click").start_span("celery beat")):
        scheduler.apply_entry(entry)
        scheduler.apply_async(entry)
        app.send_task("by hand")
    first, second, by_hand = instrumentation.spans
    assert [schedule_of(span) for span in (first, second, by_hand)] == [("beat", "nightly")] * 2 + [(None, None)]
    assert (first.parent_id, second.parent_id) == (None, None)
    assert len({first.trace_id, second.trace_id, by_hand.trace_id}) == 3


@pytest.fixture
def ran(instrumentation: Instrumentation, until: Callable[[Callable[[], Any]], None]) -> Callable[..., None]:
    """Run a job by APScheduler once in this executor and wait for its publish."""

    def run(function: Callable[[], Any], executor: Any) -> None:
        scheduler = BackgroundScheduler(executors={"default": executor}, timezone="UTC")
        scheduler.add_job(function, name="tidy up")
        scheduler.start()
        try:
            # A scheduler that is shut down before it has taken off a job that is done fails in its thread.
            until(lambda: instrumentation.spans and not scheduler.get_jobs())
        finally:
            scheduler.shutdown()

    return run


def test_what_a_job_of_apscheduler_puts_names_it(instrumentation: Instrumentation, ran: Callable[..., None]) -> None:
    instrumentation.on(CeleryInstrumentor())
    app = new_app()
    ran(lambda: app.send_task("tidy"), ThreadPoolExecutor(1))
    app.send_task("by hand")
    assert [schedule_of(span) for span in instrumentation.spans] == [("apscheduler", "tidy up"), (None, None)]


def done() -> str:
    """A job for another process."""
    return "done"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_pool_of_apscheduler_still_finds_its_function(instrumentation: Instrumentation) -> None:
    instrumentation.on(CeleryInstrumentor())
    run_job = apscheduler.executors.pool.run_job
    assert pickle.loads(pickle.dumps(run_job)) is run_job  # noqa: S301 - our own
    assert ProcessPoolExecutor  # it submits that function


def test_nothing_of_it_stays_behind(instrumentation: Instrumentation) -> None:
    before = [vars(owner)[name] for owner, name in PATCHED]
    instrumentor = CeleryInstrumentor()
    for _ in range(2):
        instrumentor.instrument(tracer_provider=instrumentation.provider)
        assert all(vars(owner)[name] is not was for (owner, name), was in zip(PATCHED, before, strict=True))
        instrumentor.uninstrument()
        assert [vars(owner)[name] for owner, name in PATCHED] == before


def test_schedulers_that_are_imported_after_uninstrument_are_left_alone() -> None:
    program = """
import celery.app.base
from jobspan import CeleryInstrumentor
instrumentor = CeleryInstrumentor()
instrumentor.instrument()
instrumentor.uninstrument()
import celery.beat, apscheduler.executors.base as executors
left = celery.beat.Scheduler.apply_async, celery.beat.Scheduler.apply_entry, executors.run_job
print([hasattr(function, "__wrapped__") for function in left])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[False, False, False]\n", "")


def test_what_two_instrumentors_share_stays_until_the_last_is_off() -> None:
    import_module("dramatiq.broker")  # without it nothing is installed
    base = apscheduler.executors.base
    before = base.run_job
    first, second = CeleryInstrumentor(), DramatiqInstrumentor()
    first.instrument()
    second.instrument()
    shared = base.run_job
    assert shared is not before
    first.uninstrument()
    assert base.run_job is shared
    second.uninstrument()
    assert base.run_job is before
