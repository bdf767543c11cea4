"""``jobspan.command`` marks what no hook can see; without instrumentation it does nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

import jobspan
from jobspan import CommandInstrumentor
from jobspan import conventions as c
from library.conftest import Instrumentation


def work(instrumentation: Instrumentation) -> None:
    """Something inside a command."""
    instrumentation.provider.get_tracer("user").start_span("work").end()


def with_block(instrumentation: Instrumentation) -> None:
    """Use ``with``."""
    with jobspan.command("nightly", **{"shop.region": "eu"}):
        work(instrumentation)


def async_with_block(instrumentation: Instrumentation) -> None:
    """Use ``async with``."""

    async def run() -> None:
        async with jobspan.command("nightly", **{"shop.region": "eu"}):
            work(instrumentation)

    asyncio.run(run())


def on_function(instrumentation: Instrumentation) -> None:
    """Decorate a function."""

    @jobspan.command("nightly", **{"shop.region": "eu"})
    def run() -> None:
        work(instrumentation)

    run()


def on_coroutine(instrumentation: Instrumentation) -> None:
    """Decorate a coroutine function."""

    @jobspan.command("nightly", **{"shop.region": "eu"})
    async def run() -> None:
        work(instrumentation)

    asyncio.run(run())


@pytest.mark.parametrize("way", [with_block, async_with_block, on_function, on_coroutine])
def test_what_is_marked_is_a_command(instrumentation: Instrumentation, way: Callable[[Instrumentation], None]) -> None:
    instrumentation.on(CommandInstrumentor())
    way(instrumentation)
    command, inside = instrumentation.spans
    assert (command.name, inside.parent_id) == ("nightly", command.span_id)
    found = {name: command.attributes.get(name) for name in ("shop.region", c.PROCESS_EXIT_CODE, c.JOBSPAN_COMMAND_ID)}
    assert found == {"shop.region": "eu", c.PROCESS_EXIT_CODE: 0, c.JOBSPAN_COMMAND_ID: command.span_id}


def test_an_exception_makes_it_a_failed_one_and_goes_on(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())
    with pytest.raises(ValueError, match="bad"), jobspan.command("nightly"):
        raise ValueError("bad")
    (span,) = instrumentation.spans
    assert (span.status, span.attributes["error.type"], span.attributes[c.PROCESS_EXIT_CODE]) == (
        "error",
        "ValueError",
        1,
    )


def test_inside_a_command_it_is_a_part_of_it(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())

    @click.command()
    def tool() -> None:
        with jobspan.command("step"):
            pass

    CliRunner().invoke(tool, [], prog_name="tool")
    outer, inner = instrumentation.spans
    assert (inner.name, inner.parent_id) == ("step", outer.span_id)
    assert inner.attributes[c.JOBSPAN_COMMAND_ID] == outer.span_id


def test_at_the_same_time_each_has_its_own_context(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())
    nightly = jobspan.command("nightly")

    @nightly
    async def run(name: str) -> Any:
        await asyncio.sleep(0)
        work(instrumentation)

    async def both() -> None:
        await asyncio.gather(run("a"), run("b"))

    asyncio.run(both())
    commands = {span.span_id for span in instrumentation.spans if span.name == "nightly"}
    assert {span.parent_id for span in instrumentation.spans if span.name == "work"} == commands
    assert len(commands) == 2


def test_without_instrumentation_it_does_nothing() -> None:
    @jobspan.command("nightly")
    def run(number: int) -> int:
        return number + 1

    with jobspan.command("nightly"):
        assert run(1) == 2


def test_a_generator_is_left_alone_with_a_log_line(
    instrumentation: Instrumentation, caplog: pytest.LogCaptureFixture
) -> None:
    instrumentation.on(CommandInstrumentor())

    @jobspan.command("nightly")
    def batches() -> Iterator[int]:
        yield 1

    assert list(batches()) == [1]
    assert "generator" in caplog.text
    assert instrumentation.spans == ()
