"""The options that reading commands share, and what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timezone
from typing import Any, TypeVar

import click

from jobspan.backends.base import RunFilter
from jobspan.cli.environment import Environment, Place, place
from jobspan.cli.terminal.times import Clock, Moment
from jobspan.errors import UsageError
from jobspan.jobs import Framework
from jobspan.runs import OUTCOMES

DEBUG = "jobspan.debug"
DEFAULT_SINCE = "24h"
DEFAULT_LIMIT = 50

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """Where to read and how to show it."""

    environment: Environment
    place: Place
    clock: Clock
    as_json: bool


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs a user asked for, and the same in words.

    Attributes:
        where: the filter, its ``limit`` as typed.
        window: ``in the last hour``, ``since yesterday, until 03:00``.
        narrowed: the other filters as typed: ``--job charge``; empty for none.
    """

    where: RunFilter
    window: str
    narrowed: str


def debug_option(command: Decorated) -> Decorated:
    """Add ``--debug``."""
    return click.option("--debug", is_flag=True, expose_value=False, callback=_debug, help="Errors with traceback.")(
        command
    )


def reading_options(command: Decorated) -> Decorated:
    """Add where to read from and how to show it."""
    for option in (
        debug_option,
        click.option("--json", "as_json", is_flag=True, help="One JSON document, for machines."),
        click.option("--utc", is_flag=True, help="Times in UTC, read and printed."),
        click.option(
            "--backend", metavar="URL", help="A jobspan serve; jaeger=URL, tempo=URL.  [env: JOBSPAN_BACKEND]"
        ),
        click.option("--store", metavar="PATH", help="The embedded store to read.  [env: JOBSPAN_STORE]"),
    ):
        command = option(command)
    return command


def filter_options(command: Decorated) -> Decorated:
    """Add which runs to look at."""
    limit = click.IntRange(min=0)
    names = "Only these; * and ? match, repeatable."
    for option in (
        click.option("--limit", type=limit, default=DEFAULT_LIMIT, show_default=True, help="Newest rows; 0: all."),
        click.option("--outcome", "outcomes", multiple=True, metavar="OUTCOME", help=f"One of {', '.join(OUTCOMES)}."),
        click.option(
            "--framework",
            "frameworks",
            multiple=True,
            type=click.Choice([framework.value for framework in Framework]),
            help="Only jobs of this library.",
        ),
        click.option("--command", "commands", multiple=True, metavar="NAME|ID", help="Only what this command caused."),
        click.option("--queue", "queues", multiple=True, metavar="NAME", help=names),
        click.option("--job", "jobs", multiple=True, metavar="NAME", help=names),
        click.option("--until", metavar="TIME", help="Started before; as --since."),
        click.option(
            "--since",
            metavar="TIME",
            default=DEFAULT_SINCE,
            show_default=True,
            help="Started since: 30m, 1h, 2d, today, yesterday, 03:00, 2026-03-01T03:00.",
        ),
    ):
        command = option(command)
    return command


def reading(context: click.Context, options: dict[str, Any]) -> ReadOptions:
    """Take the reading options out of ``options``."""
    environment = context.ensure_object(Environment)
    clock = Clock(environment.now_ns(), timezone.utc if options.pop("utc") else None)
    where = place(options.pop("store"), options.pop("backend"), environment.environ)
    return ReadOptions(environment, where, clock, options.pop("as_json"))


def read_query(options: Mapping[str, Any], clock: Clock, *, failed: bool = False) -> Query:
    """Read the filter options.

    Raises:
        UsageError: a time or an outcome that cannot be.
    """
    since = clock.read(options["since"])
    until = clock.read(options["until"]) if options["until"] else None
    if until and until.at_ns <= since.at_ns:
        raise UsageError(f"--until {options['until']} is not after --since {options['since']}: nothing lies between")
    where = RunFilter(
        since_ns=since.at_ns,
        until_ns=until.at_ns if until else None,
        jobs=options["jobs"],
        queues=options["queues"],
        commands=options["commands"],
        frameworks=options["frameworks"],
        outcomes=tuple(map(_outcome, options["outcomes"])),
        failed=failed,
        limit=options["limit"] or None,
    )
    return Query(where, _window(since, options["until"]), _narrowed(options))


def _window(since: Moment, until: str | None) -> str:
    return f"{since.words}, until {until}" if until else since.words


def _narrowed(options: Mapping[str, Any]) -> str:
    return " ".join(
        f"--{name} {value}"
        for name in ("job", "queue", "command", "framework", "outcome")
        for value in options[f"{name}s"]
    )


def _outcome(typed: str) -> str:
    outcome = typed.strip().lower().replace(" ", "_").replace("-", "_")
    if outcome not in OUTCOMES:
        raise UsageError(f"--outcome {typed} is none that a run can have; expected one of {', '.join(OUTCOMES)}")
    return outcome


def _debug(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[DEBUG] = True
