"""A console command that puts jobs on both queues: ``command.py put celery:ok dramatiq:slow=0.5 --exit 3``."""

from __future__ import annotations

import json
import sys
from importlib import import_module

import click

from support import diary


@click.group()
def command() -> None:
    """Put work on queues."""


@command.command()
@click.argument("jobs", nargs=-1)
@click.option("--exit", "exit_code", default=0, help="End with this code.")
def put(jobs: tuple[str, ...], exit_code: int) -> None:
    """Put JOBS, each written {framework}:{job} or {framework}:{job}={JSON argument}."""
    with diary.command("command.py put"):
        for job in jobs:
            _put_one(*_parsed(job))
        sys.exit(exit_code)


def _parsed(text: str) -> tuple[str, str, list[object]]:
    target, _, argument = text.partition("=")
    framework, _, name = target.partition(":")
    return framework, name, [json.loads(argument)] if argument else []


def _put_one(framework: str, name: str, args: list[object]) -> None:
    module = import_module(f"apps.{framework}_app")
    module.put(getattr(module, name), *args)


if __name__ == "__main__":
    command()
