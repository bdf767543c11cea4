"""A program that puts jobs where its own command is not at hand: ``puts_elsewhere.py spawn``."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click

import jobspan
from apps.celery_app import ok

METHODS = ("fork", "spawn", "forkserver")


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


def put_by_hand() -> None:
    """Put one job inside a command that is marked by hand."""
    with jobspan.command("part"):
        put()


def from_a_pool(method: str, work: Callable[[], None] = put) -> None:
    """Put jobs from a pool that is terminated at once."""
    context: Any = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        for _ in range(4):
            pool.apply(work)


def from_a_killed_process(method: str) -> None:
    """Put a job from a process that is killed."""
    context: Any = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pool.submit(put).result()
        (child,) = multiprocessing.active_children()
        child.kill()


def from_a_raw_fork() -> None:
    """Put a job from a process that leaves without a word."""
    child = os.fork()
    if not child:
        put()
        os._exit(0)
    os.waitpid(child, 0)


def in_a_process_and_its_own() -> None:
    """Put a job, and one from a process that leaves without a word."""
    put()
    from_a_raw_fork()


def from_nested_processes() -> None:
    """Put a job from a process, and one from a process of that."""
    child = multiprocessing.get_context("fork").Process(target=in_a_process_and_its_own)
    child.start()
    child.join()


WAYS: dict[str, Callable[[], None]] = {
    "itself": put,
    "program": from_a_program,
    "raw fork": from_a_raw_fork,
    "parts": partial(from_a_pool, "fork", put_by_hand),
    "nested": from_nested_processes,
    **{method: partial(from_a_process, method) for method in METHODS},
    **{f"{method} pool": partial(from_a_pool, method) for method in METHODS},
    **{f"killed {method}": partial(from_a_killed_process, method) for method in METHODS},
}


WHEN = {"after": after_a_command, "before": before_a_command, "thrice": thrice}

if __name__ == "__main__":
    if sys.argv[1] in WHEN:
        WHEN[sys.argv[1]](sys.argv[2])
    else:
        WAYS[sys.argv[1]]()
