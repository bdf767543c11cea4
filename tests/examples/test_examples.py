"""Every example runs with its one command and shows its jobs; a console command is the root of all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "command", "said"),
    [
        ("django", "manage.py import_users  ", "put 6 jobs"),
        ("flask", "python -m flask users import  ", "put 3 jobs"),
        ("typer", "tool.py users import  ", "put 3 jobs"),
        ("script", "import_users.py  ", "put 3 jobs"),
    ],
)
def test_an_example_shows_what_its_command_did(name: str, command: str, said: str) -> None:
    done = _run(name)
    assert done.stdout.startswith(command), done.stdout
    assert said in done.stdout
    assert "exit 0" in done.stdout


def test_the_web_example_shows_the_jobs_of_a_request() -> None:
    done = _run("fastapi")
    assert done.stdout.startswith('{"imported":3}'), done.stdout
    assert "3 runs of 3 jobs" in done.stdout


def _run(name: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "run.py"), name],
        env={key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done
