"""A program that puts jobs where its own command is not at hand: ``puts_elsewhere.py spawn``."""

from __future__ import annotations

import multiprocessing
import sys
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


def after_a_command() -> None:
    """Put a job inside a command that answers to its caller, and one when it has."""
    click.Command("tool", callback=put).main([], prog_name="tool", standalone_mode=False)
    put()


if __name__ == "__main__":
    if sys.argv[1] == "after":
        after_a_command()
    else:
        from_a_process(sys.argv[1])
