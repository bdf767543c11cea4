"""A hook that an interrupt landed in runs again, as if nothing had happened, and the interrupt goes on."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from weakref import ref

import pytest

from jobspan.instrumentors.guard import redo_on_interrupt


def test_a_hook_runs_again_without_the_interrupt_in_sight_and_the_interrupt_goes_on() -> None:
    seen: list[BaseException | None] = []

    @redo_on_interrupt
    def hook() -> None:
        seen.append(sys.exc_info()[1])
        if len(seen) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hook()
    assert seen == [None, None]


def test_a_hook_that_an_eager_run_calls_sees_the_exception_outside_it_both_times() -> None:
    outside, seen = ValueError("outside"), list[BaseException | None]()

    @redo_on_interrupt
    def hook() -> None:
        seen.append(sys.exc_info()[1])
        if len(seen) == 1:
            raise KeyboardInterrupt

    try:
        raise outside
    except ValueError:
        with pytest.raises(KeyboardInterrupt):
            hook()
    assert seen == [outside, outside]


class Message:
    """What a hook is called with; it holds a job's arguments."""


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Have nothing freed but what nothing refers to."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_an_interrupt_that_was_caught_keeps_nothing_that_the_hook_was_called_with() -> None:
    calls: list[None] = []

    @redo_on_interrupt
    def hook(_: Message) -> None:
        calls.append(None)
        if len(calls) == 1:
            raise KeyboardInterrupt

    message = Message()
    kept = ref(message)
    try:
        hook(message)
    except KeyboardInterrupt:
        del message
    assert (kept(), len(calls)) == (None, 2)
