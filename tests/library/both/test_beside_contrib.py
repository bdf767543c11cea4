"""Beside OpenTelemetry's own instrumentations: no span comes twice, whoever came first, and contrib comes back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import celery
import click
import pytest
from celery import signals
from celery.contrib.testing.worker import start_worker
from click.testing import CliRunner
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.instrumentation import celery as their_celery
from opentelemetry.instrumentation import click as their_click
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobspan import CeleryInstrumentor, CommandInstrumentor
from support.otlp_values import spans_of
from support.waiting import wait_until

app = celery.Celery("beside", broker="memory://", set_as_current=False)
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)
ran: list[int] = []
TheirCelery: Any = their_celery.CeleryInstrumentor  # not typed
TheirClick: Any = their_click.ClickInstrumentor


def _note() -> None:
    ran.append(1)


plain = app.task(name="plain", shared=False)(_note)


@click.command()
def tool() -> None:
    """Be run."""


@pytest.fixture(scope="module", autouse=True)
def worker() -> Iterator[None]:
    """A worker in this process; to stop one takes seconds."""
    with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=10):
        yield


class Beside:
    """Both instrumentations of one library on one provider, and a piece of work for them."""

    def __init__(self, ours: Any, contrib: Any, work: Callable[[], None]) -> None:
        self.ours, self.contrib, self._work = ours, contrib, work
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def ours_on(self, **settings: Any) -> None:
        self.ours.instrument(tracer_provider=self._provider, **settings)

    def theirs_on(self) -> None:
        self.contrib.instrument(tracer_provider=self._provider)

    def off(self) -> None:
        for instrumentor in (self.ours, self.contrib):
            if instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.uninstrument()

    def scopes(self) -> list[str]:
        """Do the work and return whose spans it made, sorted."""
        self._exporter.clear()
        # Two that overlap without nesting leave each other's context behind: that ends with the work.
        copy_context().run(self._work)
        found = spans_of(encode_spans(self._exporter.get_finished_spans()))
        return sorted(received.span.scope.rpartition(".")[2] for received in found)


def _run_a_task() -> None:
    before = len(ran)
    ended: list[Any] = []
    hear = lambda **said: ended.append(said)  # noqa: E731 - a receiver for a moment
    signals.task_postrun.connect(hear, weak=False, dispatch_uid="beside")
    try:
        plain.delay()
        wait_until(lambda: len(ran) > before and ended, deadline_s=10, what="the task ends")
    finally:
        signals.task_postrun.disconnect(dispatch_uid="beside")


def _run_a_command() -> None:
    assert CliRunner().invoke(tool).exit_code == 0


OURS = {"celery": ["jobspan", "jobspan"], "click": ["jobspan"]}
CONTRIB = {"celery": ["celery", "celery"], "click": ["click"]}


@pytest.fixture(params=["celery", "click"])
def beside(request: pytest.FixtureRequest) -> Iterator[Beside]:
    """Both of a library, off."""
    two: dict[str, Callable[[], Beside]] = {
        "celery": lambda: Beside(CeleryInstrumentor(), TheirCelery(), _run_a_task),
        "click": lambda: Beside(CommandInstrumentor(), TheirClick(), _run_a_command),
    }
    found = two[request.param]()
    found.library = request.param  # type: ignore[attr-defined]  # for the tables above
    try:
        yield found
    finally:
        found.off()


def ours(beside: Any) -> list[str]:
    return OURS[beside.library]


def contrib(beside: Any) -> list[str]:
    return CONTRIB[beside.library]


@pytest.mark.parametrize("first", ["ours", "contrib"])
def test_whichever_comes_first_only_jobspan_records_and_one_line_says_so(
    beside: Beside, caplog: pytest.LogCaptureFixture, first: str
) -> None:
    with caplog.at_level(logging.WARNING, "jobspan"):
        steps = [beside.ours_on, beside.theirs_on]
        for step in steps if first == "ours" else reversed(steps):
            step()
        assert beside.scopes() == ours(beside)
    said = [record.getMessage() for record in caplog.records if record.name.startswith("jobspan")]
    assert [line.partition(",")[0] for line in said] == [
        f"opentelemetry.instrumentation.{beside.library} is set aside"  # type: ignore[attr-defined]
    ]
    assert beside.contrib.is_instrumented_by_opentelemetry


@pytest.mark.parametrize("first", ["ours", "contrib"])
def test_uninstrument_gives_contrib_back(beside: Beside, first: str) -> None:
    steps = [beside.ours_on, beside.theirs_on]
    for step in steps if first == "ours" else reversed(steps):
        step()
    for _ in range(2):
        beside.ours.uninstrument()
        assert beside.scopes() == contrib(beside)
        beside.ours_on()
        assert beside.scopes() == ours(beside)


def test_contrib_that_its_user_switched_off_meanwhile_stays_off(beside: Beside) -> None:
    beside.theirs_on()
    beside.ours_on()
    beside.contrib.uninstrument()
    beside.ours.uninstrument()
    assert beside.scopes() == []


def test_contrib_that_was_never_on_is_not_mentioned(beside: Beside, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "jobspan"):
        beside.ours_on()
        beside.ours.uninstrument()
    assert caplog.records == []
    assert beside.scopes() == []


def test_contrib_that_comes_after_jobspan_has_gone_is_on(beside: Beside) -> None:
    beside.ours_on()
    beside.ours.uninstrument()
    beside.theirs_on()
    assert beside.scopes() == contrib(beside)


@pytest.mark.parametrize("first", ["ours", "contrib"])
def test_coexist_leaves_both_on(beside: Beside, caplog: pytest.LogCaptureFixture, first: str) -> None:
    steps = [lambda: beside.ours_on(coexist=True), beside.theirs_on]
    with caplog.at_level(logging.WARNING, "jobspan"):
        for step in steps if first == "ours" else reversed(steps):
            step()
        assert beside.scopes() == sorted(ours(beside) + contrib(beside))
    assert caplog.records == []


def test_jobspan_on_one_library_does_not_silence_contrib_of_another(beside: Beside) -> None:
    other: Any = CommandInstrumentor() if beside.ours is CeleryInstrumentor() else CeleryInstrumentor()
    other.instrument()
    try:
        beside.theirs_on()
        assert beside.scopes() == contrib(beside)
    finally:
        other.uninstrument()


def test_their_state_is_as_it_was(beside: Beside) -> None:
    beside.theirs_on()
    before = {name: value for name, value in vars(beside.contrib).items() if name != "task_id_to_start_time"}
    methods = {name: vars(type(beside.contrib))[name] for name in ("_instrument", "_uninstrument")}
    beside.ours_on()
    beside.ours.uninstrument()
    assert {name: vars(beside.contrib)[name] for name in before} == before
    assert {name: vars(type(beside.contrib))[name] for name in methods} == methods
