"""A console command that puts a job on a broker that is not there, and goes on: ``stubborn.py celery``."""

from __future__ import annotations

import contextlib
import sys
from importlib import import_module

import click
from opentelemetry import trace


@click.command()
@click.argument("framework")
def stubborn(framework: str) -> None:
    """Publish in vain, then open a span of its own."""
    app = import_module(f"apps.{framework}_app")
    with contextlib.suppress(Exception):
        if framework == "celery":
            app.ok.apply_async(retry=False)
        else:
            app.ok.send()
    with trace.get_tracer("stubborn").start_as_current_span("after"):
        sys.stdout.write("went on\n")


if __name__ == "__main__":
    stubborn()
