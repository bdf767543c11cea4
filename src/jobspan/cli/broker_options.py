"""The options of commands that look at a broker, and who reads it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import click

from jobspan.brokers.base import BrokerReader, QueueState
from jobspan.cli.environment import Environment
from jobspan.errors import UsageError
from jobspan.jobs import Framework
from jobspan.reading_settings import load_reading

DEFAULT_EVERY_S = 2.0

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class QueueSelection:
    """Which queues a user wants to see; no names: all."""

    names: tuple[str, ...] = ()

    def includes(self, queue: str | None) -> bool:
        """Say whether a queue was selected."""
        return not self.names or any(fnmatchcase(queue or "", name) for name in self.names)

    def select(self, queues: tuple[QueueState, ...]) -> tuple[QueueState, ...]:
        """Return those that were selected."""
        return tuple(queue for queue in queues if self.includes(queue.name))


def broker_options(command: Decorated) -> Decorated:
    """Add which broker, which framework and which queues."""
    for option in (
        click.option("--queue", "queues", multiple=True, metavar="NAME", help="Only these; * and ? match, repeatable."),
        click.option(
            "--framework",
            "frameworks",
            multiple=True,
            type=click.Choice([framework.value for framework in Framework]),
            help="Whose queues; by default all found in the broker.",
        ),
        click.option("--management", metavar="URL", help="RabbitMQ's management API.  [env: JOBSPAN_MANAGEMENT]"),
        click.option("--broker", metavar="URL", help="redis://… or amqp://…  [env: JOBSPAN_BROKER]"),
    ):
        command = option(command)
    return command


def watch_options(command: Decorated) -> Decorated:
    """Add whether to look again and again."""
    every = click.FloatRange(min=0.1)
    for option in (
        click.option("--every", type=every, default=DEFAULT_EVERY_S, show_default=True, help="Seconds between looks."),
        click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C."),
    ):
        command = option(command)
    return command


@contextmanager
def opened_broker(environment: Environment, options: dict[str, Any]) -> Iterator[tuple[BrokerReader, QueueSelection]]:
    """Take the broker's options out of ``options``, open it, and close it at the end.

    Raises:
        UsageError: no broker is named, or it cannot be read.
    """
    settings = load_reading(environment.environ)
    url = options.pop("broker") or settings.broker
    selection = QueueSelection(options.pop("queues"))
    if not url:
        raise UsageError("no broker is named; give --broker redis://host:6379/0 or set JOBSPAN_BROKER")
    reader = environment.open_broker(
        url,
        tuple(map(Framework, options.pop("frameworks"))),
        tuple(name for name in selection.names if not set(name) & set("*?[")),
        options.pop("management") or settings.management,
    )
    try:
        yield reader, selection
    finally:
        reader.close()


def show_repeatedly(show: Callable[[], int], *, watch: bool, every_s: float) -> int:
    """Call ``show`` once, or until Ctrl-C; a terminal shows the newest look alone."""
    if not watch:
        return show()
    is_terminal = sys.stdout.isatty()
    while True:
        if is_terminal:
            click.clear()
        show()
        time.sleep(every_s)
