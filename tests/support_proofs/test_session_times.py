"""The report at the end of ``.ci/run`` is the sum of what nox and pytest printed."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from support.session_times import SLOWEST, follow, report

OUTPUT = """\
README's test command: nox
nox > Running session types
nox > Session types was successful in 2 seconds.
nox > Running session tests-3.11
\x1b[32m=================== \x1b[1m5 passed\x1b[0m, 2 skipped in 60.01s (0:01:00) ====================\x1b[0m
nox > \x1b[32mSession tests-3.11 was successful in a minute.\x1b[0m
nox > Running session brokers-3.11
FAILED tests/brokers/test_a.py::test_b - AssertionError: 7 passed in 3 cars
=================== 1 failed, 3 passed, 1 error in 9.00s ===================
nox > Session brokers-3.11 failed.
nox > Running session oldest
1 passed in 0.30s
"""

JUNIT = """<?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest">
<testcase classname="tests.unit.test_a" name="test_quick" time="0.1" />
<testcase classname="tests.unit.test_a" name="test_slow[1]" time="{time}"><skipped message="x" /></testcase>
</testsuite></testsuites>"""


def test_sessions_slowest_tests_and_the_sum_are_reported(tmp_path: Path) -> None:
    (tmp_path / "tests-3.11.xml").write_text(JUNIT.format(time="61.25"))
    (tmp_path / "oldest.xml").write_text(JUNIT.format(time="7"))
    passed_on: list[str] = []
    # Each look at the clock is a minute later.
    sessions = follow(OUTPUT.splitlines(keepends=True), clock=count(0, 60).__next__, echo=passed_on.append)
    assert "".join(passed_on) == OUTPUT
    assert list(report(sessions, tmp_path)) == [
        "session                min   tests  result",
        "types                  1.0          successful",
        "tests-3.11             1.0       7  successful",
        "brokers-3.11           1.0       5  failed",
        "oldest                 0.0       1  cut off",
        "all                    3.0",
        "",
        f"the {SLOWEST} slowest tests, set-up and tear-down included:",
        "  61.2 s  tests-3.11     unit.test_a::test_slow[1]",
        "   7.0 s  oldest         unit.test_a::test_slow[1]",
        "   0.1 s  tests-3.11     unit.test_a::test_quick",
        "   0.1 s  oldest         unit.test_a::test_quick",
        "",
        "9 passed, 2 failed, 2 skipped",
    ]


@pytest.mark.parametrize("tests", [SLOWEST - 1, SLOWEST + 5])
def test_no_more_than_the_slowest_are_listed(tmp_path: Path, tests: int) -> None:
    for number in range(tests):
        (tmp_path / f"{number}.xml").write_text(f'<testsuite><testcase name="t" time="{number}" /></testsuite>')
    listed = [line for line in report([], tmp_path) if line.endswith("::t")]
    assert [float(line.split()[0]) for line in listed] == [tests - 1 - n for n in range(min(tests, SLOWEST))]
