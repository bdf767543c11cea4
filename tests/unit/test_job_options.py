"""``jobspan.options``: on jobs, around calls, and on what is no job; it imports nothing and raises nothing."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import jobspan
from jobspan.job_options import NOTHING, JobOptions, chosen_around, chosen_for


def test_a_mark_changes_nothing_but_what_we_read() -> None:
    def job(number: int) -> int:
        return number + 1

    assert jobspan.options(trace=False)(job) is job
    assert job(1) == 2
    assert chosen_for(job) == JobOptions(trace=False)


def test_several_marks_add_up_and_the_outer_goes_first() -> None:
    @jobspan.options(relation="none", memory=False)
    @jobspan.options(relation="link", args=True)
    def job() -> None: ...

    assert chosen_for(job) == JobOptions(relation="none", memory=False, args=True)


def test_blocks_nest_and_end_and_may_be_used_again() -> None:
    block = jobspan.options(trace=False)
    with block:
        with jobspan.options(relation="link"), block:
            assert chosen_around() == JobOptions(trace=False, relation="link")
        assert chosen_around() == JobOptions(trace=False)
    assert chosen_around() is NOTHING
    with pytest.raises(ValueError, match="own"), block:
        raise ValueError("own")
    assert chosen_around() is NOTHING


@pytest.mark.parametrize(
    ("use", "line"),
    [
        (lambda: jobspan.options(relation="sideways"), "relation='sideways' is not understood"),
        (lambda: jobspan.options(trace=False)(len), "takes no jobspan.options"),
    ],
)
def test_what_cannot_be_is_one_line_and_no_error(
    caplog: pytest.LogCaptureFixture, use: Callable[[], Any], line: str
) -> None:
    with caplog.at_level(logging.WARNING):
        use()
    (record,) = caplog.records
    assert line in record.getMessage()


def test_options_and_current_job_import_nothing_heavy() -> None:
    code = (
        "import sys, jobspan\n"
        "@jobspan.options(trace=False)\n"
        "def job(): pass\n"
        "with jobspan.options(relation='link'): job()\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'opentelemetry', 'celery', 'dramatiq', 'wrapt', 'click', 'inspect'}))\n"
        "print(jobspan.current_job())\n"
        "print('opentelemetry.sdk' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\nNone\nFalse\n"
