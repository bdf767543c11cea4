"""What a user's exception shows when it leaves a command or a publish: the user's frames, and none of ours."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections.abc import Callable
from typing import Any

import celery
import click
import dramatiq
import pytest
from django.core.management.base import BaseCommand
from dramatiq.brokers.stub import StubBroker

from jobspan import CeleryInstrumentor, CommandInstrumentor, DramatiqInstrumentor
from library.conftest import Instrumentation


@dataclasses.dataclass(frozen=True)
class Frozen(ValueError):
    """Of which no attribute can be set."""


def fail(*_: Any, **__: Any) -> None:
    """Raise in the midst of handling another."""
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second")  # noqa: B904 - its context is to be kept


def in_click() -> None:
    """Run a command of a group."""
    group = click.Group("tool")
    group.add_command(click.Command("fail", callback=fail))
    group.main(["fail"])


def in_django() -> None:
    """Run a management command."""
    Failing().run_from_argv(["manage.py", "fail"])


def in_call_command() -> None:
    """Run one as other code does."""
    Failing().execute(force_color=False, no_color=False, skip_checks=True)


class Failing(BaseCommand):  # type: ignore[misc]  # Django has no types
    """A management command."""

    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own
    handle = fail


def in_celery() -> None:
    """Put a job."""
    app = celery.Celery(broker="memory://")
    app.amqp.send_task_message = fail
    app.send_task("job")


def in_dramatiq() -> None:
    """Put a job."""
    broker = StubBroker()
    broker.emit_before = fail  # type: ignore[method-assign]  # a broker that is away
    putting_on(broker)


def putting_on(broker: dramatiq.Broker) -> None:
    """Put a job on this broker."""

    @dramatiq.actor(broker=broker)
    def job() -> None: ...

    job.send()


@pytest.mark.parametrize("work", [in_click, in_django, in_call_command, in_celery, in_dramatiq])
def test_an_exception_shows_no_frame_of_ours(instrumentation: Instrumentation, work: Callable[[], None]) -> None:
    for instrumentor in (CommandInstrumentor(), CeleryInstrumentor(), DramatiqInstrumentor()):
        instrumentation.on(instrumentor)
    with pytest.raises(ValueError, match="second") as caught:
        work()
    stack = traceback.extract_tb(caught.value.__traceback__)
    assert (stack[-1].name, type(caught.value.__context__)) == ("fail", KeyError)
    if sys.version_info >= (3, 11):
        assert [frame for frame in stack if "jobspan/instrumentors" in frame.filename] == []


def test_an_exception_that_is_frozen_goes_on(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())

    class Away(StubBroker):
        def enqueue(self, message: Any, *, delay: Any = None) -> Any:
            raise Frozen

    with pytest.raises(Frozen):
        putting_on(Away())
