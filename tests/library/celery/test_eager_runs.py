"""Celery tasks that run in the caller's own process: eager ones are runs, a direct call is none."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any
from weakref import ref

import pytest
from celery import Celery, Task
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Retry
from opentelemetry import trace
from opentelemetry.context import get_current

from jobspan import CeleryInstrumentor
from jobspan.runs import Span
from library.conftest import Instrumentation

app = Celery("eager", broker="memory://", set_as_current=False)


@app.task(name="double", shared=False)
def double(number: int) -> int:
    """Succeed."""
    return 2 * number


@app.task(name="broken", shared=False)
def broken() -> None:
    """Fail."""
    raise LookupError("no")


@app.task(name="leaves", shared=False)
def leaves(code: int) -> None:
    """Leave as a program does."""
    sys.exit(code)


@app.task(name="insists", shared=False, bind=True, max_retries=2)
def insists(self: Task, failures: int) -> str:
    """Ask for retries."""
    if self.request.retries < failures:
        raise self.retry(exc=LookupError("not yet"), countdown=0)
    return "done"


@app.task(name="outer", shared=False)
def outer() -> int:
    """Run another task in a task, beside an exception."""
    try:
        raise KeyError("handled")
    except KeyError:
        return int(double.apply((1,)).get())


@app.task(name="becomes", shared=False, bind=True)
def becomes(self: Task) -> None:
    """Be replaced."""
    self.replace(double.s(4))


@pytest.fixture(autouse=True)
def instrumented(instrumentation: Instrumentation) -> None:
    """Spans of all tasks."""
    instrumentation.on(CeleryInstrumentor())


@pytest.fixture
def always_eager() -> Iterator[None]:
    """Publish nothing."""
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = False
    app.conf.task_eager_propagates = False


def recorded(instrumentation: Instrumentation) -> list[tuple[Any, ...]]:
    """What each span says of its run: job, attempt, outcome, final, status, error type."""
    return [facts(span) for span in instrumentation.spans]


def facts(span: Span) -> tuple[Any, ...]:
    """What a span says of its run."""
    a = span.attributes
    names = ("name", "attempt", "outcome", "final")
    return (*(a.get(f"jobspan.job.{name}") for name in names), span.status, a.get("error.type"))


def test_an_eager_run_is_a_child_of_what_is_current_and_leaves_it_current(instrumentation: Instrumentation) -> None:
    with instrumentation.provider.get_tracer("caller").start_as_current_span("caller") as caller:
        assert double.apply((2,)).get() == 4
        assert trace.get_current_span() is caller
    parent, run = instrumentation.spans
    assert run.parent_id == parent.span_id
    assert run.attributes["jobspan.job.eager"] is True
    assert run.attributes["messaging.system"] == "memory"
    assert not [name for name in run.attributes if ".wait." in name]
    assert facts(run) == ("double", 1, "succeeded", True, "unset", None)


@pytest.mark.usefixtures("always_eager")
@pytest.mark.parametrize("propagates", [False, True])
def test_a_failure_is_recorded_whether_it_propagates_or_not(instrumentation: Instrumentation, propagates: bool) -> None:
    app.conf.task_eager_propagates = propagates
    if propagates:
        with pytest.raises(LookupError):
            broken.delay()
    else:
        assert broken.delay().state == "FAILURE"
    assert recorded(instrumentation) == [("broken", 1, "failed", True, "error", "LookupError")]
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.usefixtures("always_eager")
def test_eager_retries_are_runs_side_by_side(instrumentation: Instrumentation) -> None:
    assert insists.delay(1).get() == "done"
    assert recorded(instrumentation) == [
        ("insists", 1, "retried", False, "error", "LookupError"),
        ("insists", 2, "succeeded", True, "unset", None),
    ]
    assert {span.parent_id for span in instrumentation.spans} == {None}


def test_an_exhausted_eager_retry_fails(instrumentation: Instrumentation) -> None:
    insists.apply((9,))
    assert [run[2:4] for run in recorded(instrumentation)] == [("retried", False), ("retried", False), ("failed", True)]


def test_an_eager_retry_that_propagates_is_followed_by_nothing(instrumentation: Instrumentation) -> None:
    with pytest.raises(Retry):
        insists.apply((1,), throw=True)
    assert recorded(instrumentation) == [("insists", 1, "failed", True, "error", "LookupError")]


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, ("succeeded", True, "unset", None)), (3, ("failed", True, "error", "SystemExit"))],
)
def test_leaving_is_a_failure_unless_the_exit_code_is_0(
    instrumentation: Instrumentation, code: int, expected: tuple[Any, ...]
) -> None:
    with pytest.raises(SystemExit):
        leaves.apply((code,))
    assert recorded(instrumentation) == [("leaves", 1, *expected)]


def test_an_exception_handled_around_a_run_is_not_the_runs(instrumentation: Instrumentation) -> None:
    assert outer.apply().get() == 2
    assert [run[2] for run in recorded(instrumentation)] == ["succeeded", "succeeded"]
    first, second = instrumentation.spans
    assert second.parent_id == first.span_id


def run_as_a_worker(task: Task) -> None:
    """Run a task as the pools do, without the worker around."""
    request = {"id": "job-1", "delivery_info": {"routing_key": "celery"}}
    build_tracer(task.name, task, app=app)("job-1", (), {}, request)


def test_a_replaced_run_is_ignored_and_not_final(instrumentation: Instrumentation) -> None:
    run_as_a_worker(becomes)
    runs = [span for span in instrumentation.spans if span.kind == "consumer"]
    assert list(map(facts, runs)) == [("becomes", 1, "ignored", False, "unset", None)]
    (publish,) = (span for span in instrumentation.spans if span.kind == "producer")
    assert publish.parent_id == runs[0].span_id
    assert publish.attributes["messaging.message.id"] == "job-1"


def test_a_retry_that_cannot_be_published_is_rejected_with_an_error(instrumentation: Instrumentation) -> None:
    @app.task(name="cannot", shared=False, bind=True)
    def cannot(self: Task) -> None:
        self.retry(args=(object(),), countdown=0)

    run_as_a_worker(cannot)
    runs = [span for span in instrumentation.spans if span.kind == "consumer"]
    assert [facts(run)[:5] for run in runs] == [("cannot", 1, "rejected", True, "error")]
    assert "error.type" in runs[0].attributes


def test_a_task_ignored_by_hand_is_final(instrumentation: Instrumentation) -> None:
    @app.task(name="by hand", shared=False)
    def by_hand() -> None:
        raise Ignore

    by_hand.apply()
    assert recorded(instrumentation) == [("by hand", 1, "ignored", True, "unset", None)]


def test_a_direct_call_is_no_run(instrumentation: Instrumentation) -> None:
    assert double(2) == 4
    assert double.run(2) == 4
    assert instrumentation.spans == ()


def test_runs_that_each_begin_in_the_context_of_the_one_before_keep_only_that(instrumentation: Instrumentation) -> None:
    """As a task does that lets a timer begin the next, with an instrumentation that takes the context along."""
    instrumentation.on(CeleryInstrumentor())
    contexts: list[Any] = []
    copies = [copy_context()]

    @app.task(name="next", shared=False)
    def goes_on() -> None:
        contexts.append(ref(get_current()))
        copies[0] = copy_context()

    for _ in range(6):
        copies[0].run(goes_on.apply)
    gc.collect()
    assert [context() is not None for context in contexts] == [False] * 4 + [True] * 2
