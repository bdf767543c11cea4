"""A program that puts jobs where its own command is not at hand: ``puts_elsewhere.py spawn``."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from apps.celery_app import ok


def put() -> None:
    """Put one job."""
    ok.delay()


def from_a_process(method: str) -> None:
    """Put a job from another process."""
    context: Any = multiprocessing.get_context(method)
    child = context.Process(target=put)
    child.start()
    child.join()


def from_a_program() -> None:
    """Put a job from another program."""
    command = Path(__file__).with_name("command.py")
    subprocess.run(["opentelemetry-instrument", sys.executable, command, "put", "celery:ok"], check=True)


def after_a_command(way: str) -> None:
    """Put a job inside a command that answers to its caller, and one when it has."""
    click.Command("tool", callback=put).main([], prog_name="tool", standalone_mode=False)
    WAYS[way]()


def before_a_command(way: str) -> None:
    """Put a job from another process, and then be a command."""
    WAYS[way]()
    click.Command("tool", callback=put).main([], prog_name="tool")


def thrice(way: str) -> None:
    """Put three jobs, one after the other, each from elsewhere."""
    for _ in range(3):
        WAYS[way]()


WAYS: dict[str, Callable[[], None]] = {
    "itself": put,
    "program": from_a_program,
    **{method: partial(from_a_process, method) for method in ("fork", "spawn", "forkserver")},
}


WHEN = {"after": after_a_command, "before": before_a_command, "thrice": thrice}

if __name__ == "__main__":
    if sys.argv[1] in WHEN:
        WHEN[sys.argv[1]](sys.argv[2])
    else:
        WAYS[sys.argv[1]]()
