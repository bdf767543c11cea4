"""What a user's exception shows when it leaves a command or a publish: the user's frames, and none of ours."""

from __future__ import annotations

import dataclasses
import sys
import traceback
from collections.abc import Callable
from functools import partial
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
    job = actor_on(StubBroker())
    job.broker.emit_before = fail  # a broker that is away
    job.send()


def in_dramatiq_group() -> None:
    """Put jobs as a group."""
    job = actor_on(StubBroker())
    job.broker.emit_before = fail
    group: Any = dramatiq.group
    group([job.message()], broker=job.broker).run()


def actor_on(broker: dramatiq.Broker) -> Any:
    """Declare a job on this broker."""

    @dramatiq.actor(broker=broker)
    def job() -> None: ...

    return job


@pytest.mark.parametrize("work", [in_click, in_django, in_call_command, in_celery, in_dramatiq, in_dramatiq_group])
def test_an_exception_shows_no_frame_of_ours(instrumentation: Instrumentation, work: Callable[[], None]) -> None:
    for instrumentor in (CommandInstrumentor(), CeleryInstrumentor(), DramatiqInstrumentor()):
        instrumentation.on(instrumentor)
    with pytest.raises(ValueError, match="second") as caught:
        work()
    stack = traceback.extract_tb(caught.value.__traceback__)
    assert (stack[-1].name, type(caught.value.__context__)) == ("fail", KeyError)
    assert of_ours(caught.value) == []


def test_nor_does_what_is_no_error(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())
    with pytest.raises(SystemExit) as caught:
        click.Command("leave", callback=partial(sys.exit, 3)).main([])
    assert of_ours(caught.value) == []


def of_ours(error: BaseException) -> list[traceback.FrameSummary]:
    """Return our frames in a traceback; Python 3.10 keeps them."""
    stack = traceback.extract_tb(error.__traceback__) if sys.version_info >= (3, 11) else ()
    return [frame for frame in stack if "jobspan/instrumentors" in frame.filename]


def test_an_exception_that_is_frozen_goes_on(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())

    class Away(StubBroker):
        def enqueue(self, message: Any, *, delay: Any = None) -> Any:
            raise Frozen

    with pytest.raises(Frozen):
        actor_on(Away()).send()
