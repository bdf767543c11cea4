"""Commands as rows, and a running one followed to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from jobspan import conventions as c
from jobspan.cli.app import jobspan
from jobspan.cli.environment import Environment
from unit.cli.sample import NOW, night
from unit.cli.twin import Twin
from unit.cli.typing_at import typed


def test_commands_are_rows_with_their_end_and_their_jobs() -> None:
    seen = typed("runs", "--commands")
    assert seen.code == 0
    assert seen.out.splitlines() == [
        "when      id    command        ended   took  put  done  failed  retries  host",
        "03:12:00  7f3a  import-orders  exit 0  44 s   17    17       2        1  batch-1",
        "1 command in the last 24 hours put 17 jobs: 2 failed.",
        "Next: jobspan show 7f3a (the newest)",
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({c.PROCESS_EXIT_CODE: 3}, "exit 3"),
        ({c.JOBSPAN_COMMAND_OUTCOME: "interrupted", c.JOBSPAN_COMMAND_EXIT_SIGNAL: "SIGTERM"}, "SIGTERM"),
        ({c.JOBSPAN_COMMAND_OUTCOME: "lost", c.JOBSPAN_COMMAND_EXIT_SIGNAL: "SIGKILL"}, "lost: SIGKILL"),
        ({c.JOBSPAN_COMMAND_OUTCOME: "lost"}, "lost"),
        ({}, "no exit code"),
    ],
)
def test_the_end_of_a_command_in_words(said: dict[str, Any], words: str) -> None:
    spans = list(night().spans)
    (command,) = (span for span in spans if span.name == "import-orders")
    del command.attributes[c.PROCESS_EXIT_CODE]  # type: ignore[attr-defined]  # the sample's attributes are a dict
    command.attributes.update(said)  # type: ignore[attr-defined]  # as above
    row = typed("runs", "--commands", backend=Twin(spans)).out.splitlines()[1]
    assert f"import-orders  {words}  " in row


def test_a_filter_of_runs_is_none_of_commands() -> None:
    seen = typed("runs", "--commands", "--job", "charge")
    assert (seen.code, "expected only --since" in seen.err) == (2, True)


@pytest.fixture
def watched() -> Callable[..., list[str]]:
    """Follow a command whose spans arrive one pause after the other; return the lines before its story."""

    def follow(*arrivals: int, open_runs: Any = ()) -> list[str]:
        spans = sorted(night().spans, key=lambda span: span.end_ns)
        twin = Twin(spans[: arrivals[0]], open_runs)
        rest = iter(arrivals[1:])

        def pause(_: float) -> None:
            twin.__init__(spans[: next(rest)])  # type: ignore[misc]  # the same backend, with more in it

        environment = Environment(open_backend=lambda _store, _url: twin, now_ns=lambda: NOW, pause=pause, environ={})
        out = CliRunner().invoke(jobspan, ("show", "7f3a", "--watch"), obj=environment).stdout.splitlines()
        return out[: next(number for number, line in enumerate(out) if line.startswith("import-orders"))]

    return follow


def test_a_running_command_is_followed_until_its_jobs_are_done(watched: Callable[..., list[str]]) -> None:
    lines = watched(20, 20, 1000)
    assert len(lines) == 2, "a line for each change"
    assert "(running or waiting: no started events tell)" in lines[0]
    assert "ends in about" in lines[0]
    assert lines[1] == "put 17, done 17, failed 2"


def test_a_job_cannot_be_watched() -> None:
    assert typed("show", "ab00", "--watch").code == 2
