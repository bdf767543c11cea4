"""Handlers of others that make a context current around a run, connected before ours or after them: nothing stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
from celery import Celery, signals
from celery.app.trace import build_tracer
from opentelemetry import baggage
from opentelemetry.context import attach, detach, get_current
from opentelemetry.instrumentation import celery as their_celery
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import get_current_span

from jobspan import CeleryInstrumentor, current_job
from library.conftest import Instrumentation

TheirCelery: Any = their_celery.CeleryInstrumentor  # not typed


class Handlers:
    """A user's, which make baggage current for a run, and then again what was so before."""

    def __init__(self) -> None:
        self._tokens: list[Any] = []

    def connect(self) -> None:
        """Connect them, the second as decorators do."""
        signals.task_prerun.connect(self._begin, weak=False, dispatch_uid="user")
        signals.task_postrun.connect(weak=False, dispatch_uid="user")(self._end)

        signals.before_task_publish.connect(self._begin, weak=False, dispatch_uid="user")
        signals.after_task_publish.connect(self._end, weak=False, dispatch_uid="user")

    def disconnect(self) -> None:
        signals.before_task_publish.disconnect(dispatch_uid="user")
        signals.after_task_publish.disconnect(dispatch_uid="user")
        signals.task_prerun.disconnect(dispatch_uid="user")
        signals.task_postrun.disconnect(dispatch_uid="user")

    def _begin(self, **_: Any) -> None:
        self._tokens.append(attach(baggage.set_baggage("tenant", "acme")))

    def _end(self, **_: Any) -> None:
        detach(self._tokens.pop())


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    """Handlers that are connected by the test."""
    made = Handlers()
    yield made
    made.disconnect()


@pytest.fixture(params=["other first", "ours first"])
def in_turn(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Switch the other library and jobspan on, in either order."""

    def switch(other: Callable[[], None], ours: Callable[[], None]) -> None:
        for step in (other, ours) if request.param == "other first" else (ours, other):
            step()

    return switch


def left_by_a_run(inside: Callable[[Celery], None] = lambda _: None) -> dict[str, object]:
    """Run a task in the way of a worker, and return what is current afterwards."""
    app = Celery("others", broker="memory://", set_as_current=False)

    @app.task(name="greet", shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
    def greet() -> None:
        inside(app)

    def run() -> dict[str, object]:
        request = {"id": "1", "task": "greet", "hostname": "w1", "is_eager": False, "retries": 0}
        build_tracer("greet", greet, app=app)("1", (), {}, request)
        assert current_job() is None
        return dict(get_current())

    return copy_context().run(run)


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["recorded", "not sampled"])
def test_after_a_run_all_is_as_it_was(in_turn: Any, handlers: Handlers, sampler: Sampler) -> None:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    instrumentor = CeleryInstrumentor()
    try:
        in_turn(handlers.connect, lambda: instrumentor.instrument(tracer_provider=provider, state_dir="off"))
        assert left_by_a_run() == {}
    finally:
        instrumentor.uninstrument()


def test_after_an_eager_run_the_job_that_called_it_goes_on(
    in_turn: Any, handlers: Handlers, instrumentation: Instrumentation
) -> None:
    seen: list[Any] = []

    def call_another(app: Celery) -> None:
        @app.task(name="other", shared=False)  # type: ignore[untyped-decorator]  # Celery has no types
        def other() -> None:
            pass

        for each in (lambda: None, other.apply):
            each()
            job = current_job()
            seen.append((job and job.name, getattr(get_current_span(), "name", None)))

    in_turn(handlers.connect, lambda: instrumentation.on(CeleryInstrumentor()))
    assert left_by_a_run(call_another) == {}
    assert seen == [("greet", "run greet")] * 2


def test_after_a_run_beside_opentelemetrys_own_all_is_as_it_was(in_turn: Any, instrumentation: Instrumentation) -> None:
    other = TheirCelery()
    try:
        in_turn(other.instrument, lambda: instrumentation.on(CeleryInstrumentor(), coexist=True))
        assert left_by_a_run() == {}
    finally:
        other.uninstrument()


def test_beside_celerys_own_handlers_alone_we_have_none_for_that(instrumentation: Instrumentation) -> None:
    before = len(signals.task_postrun.receivers)
    instrumentation.on(CeleryInstrumentor())
    assert len(signals.task_postrun.receivers) == before + 1


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF], ids=["sampled", "unsampled"])
def test_after_a_publish_nothing_stays_of_what_they_made_current(
    handlers: Handlers, in_turn: Callable[..., None], sampler: Sampler
) -> None:
    ours = CeleryInstrumentor()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)

    def publish() -> dict[str, object]:
        Celery("around", broker="memory://", set_as_current=False).send_task("greet")
        return dict(get_current())

    try:
        in_turn(handlers.connect, lambda: ours.instrument(tracer_provider=provider, state_dir="off"))
        assert copy_context().run(publish) == {}
    finally:
        ours.uninstrument()
