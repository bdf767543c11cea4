"""How long the sessions of nox took, their slowest tests, and how many tests passed: ``nox | session_times.py FOLDER``.

Passes on what nox prints, and adds at the end: a table of the sessions, the slowest tests of all of them (read from the
JUnit files that pytest wrote into the folder), and ``N passed, N failed, N skipped`` as the last line.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

SLOWEST = 40

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BEGINS = re.compile(r"nox > Running session (\S+)")
_ENDS = re.compile(r"nox > Session (\S+) (?:was )?(\w+)")
_PYTEST = re.compile(r"=* ?\d+ [a-z]+.* in [0-9.]+s")
_COUNT = re.compile(r"(\d+) (passed|failed|error|skipped)")


@dataclass(slots=True)
class Session:
    """One session: its name, seconds, how it ended, and its tests by outcome."""

    name: str
    began_s: float
    seconds: float = 0
    end: str = "cut off"
    tests: Counter[str] = field(default_factory=Counter)


def follow(lines: Iterable[str], *, clock: Callable[[], float], echo: Callable[[str], object]) -> list[Session]:
    """Pass on the lines; return the sessions that they report, in order."""
    sessions: list[Session] = []
    for line in lines:
        echo(line)
        text = _COLOUR.sub("", line)
        if begins := _BEGINS.match(text):
            sessions.append(Session(begins[1], clock()))
        elif sessions and (ends := _ENDS.match(text)) and ends[1] == sessions[-1].name:
            sessions[-1].end, sessions[-1].seconds = ends[2], clock() - sessions[-1].began_s
        elif sessions and _PYTEST.match(text):
            for number, outcome in _COUNT.findall(text):
                sessions[-1].tests["failed" if outcome == "error" else outcome] += int(number)
    return sessions


def report(sessions: list[Session], folder: Path) -> Iterator[str]:
    """Return the lines of the report."""
    yield "session                min   tests  result"
    for session in sessions:
        tests = str(sum(session.tests.values()) or "")
        yield f"{session.name:<20} {session.seconds / 60:5.1f}  {tests:>6}  {session.end}"
    yield f"{'all':<20} {sum(session.seconds for session in sessions) / 60:5.1f}"
    yield ""
    yield f"the {SLOWEST} slowest tests, set-up and tear-down included:"
    yield from slowest(folder)
    yield ""
    told = sum((session.tests for session in sessions), Counter[str]())
    yield ", ".join(f"{told[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped"))


def slowest(folder: Path) -> list[str]:
    """Return a line for each of the slowest tests, the slowest first."""
    timed = sorted(((seconds, name, file.stem) for file in folder.glob("*.xml") for seconds, name in _tests(file)))
    return [f"{seconds:6.1f} s  {session:<14} {name}" for seconds, name, session in timed[: -SLOWEST - 1 : -1]]


def _tests(file: Path) -> Iterator[tuple[float, str]]:
    for case in ET.parse(file).iter("testcase"):  # noqa: S314 - pytest wrote it
        yield float(case.get("time", 0)), f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name')}"


def main(folder: Path) -> None:
    """Read nox's output from the standard input."""
    sessions = follow(sys.stdin, clock=time.monotonic, echo=lambda line: print(line, end="", flush=True))
    print(*report(sessions, folder), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
