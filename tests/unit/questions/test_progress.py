"""How far a running command is."""

from __future__ import annotations

import pytest

from jobspan.backends.base import CommandSeen
from jobspan.questions.progress import command_progress, is_complete, seconds_left
from unit.analysis.story import COMMAND
from unit.cli.sample import night
from unit.cli.twin import Twin


def _progress(count: int | None = None) -> CommandSeen:
    spans = sorted(night().spans, key=lambda span: span.end_ns)
    seen = command_progress(Twin(spans[:count]), COMMAND)
    assert seen
    return seen


def test_a_command_without_any_span_is_not_known() -> None:
    assert command_progress(Twin(), COMMAND) is None


def test_a_command_is_complete_when_it_and_its_jobs_have_ended() -> None:
    assert [is_complete(_progress(count)) for count in (20, None)] == [False, True]


def test_the_time_left_is_that_of_the_jobs_so_far() -> None:
    seen = _progress(20)
    expected = 10.0 * (seen.put - seen.done) / seen.done
    assert seconds_left(seen, seen.start_ns + 10_000_000_000) == pytest.approx(expected)


def test_no_time_is_estimated_for_a_complete_command() -> None:
    seen = _progress()
    assert seconds_left(seen, seen.start_ns + 10_000_000_000) is None
