"""A hook that an interrupt landed in runs again, as if nothing had happened, and the interrupt goes on."""

from __future__ import annotations

import sys

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
