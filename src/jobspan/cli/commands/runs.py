"""``jobspan runs``: attempts at jobs, whatever their outcome."""

from __future__ import annotations

from typing import Any

import click

from jobspan.backends.base import Backend
from jobspan.cli.environment import opened
from jobspan.cli.options import Query, ReadOptions, filter_options, read_query, reading, reading_options
from jobspan.cli.screens.commands_screen import command_table, commands_summary
from jobspan.cli.screens.runs_screen import (
    RUN_COLUMNS,
    next_steps,
    run_table,
    runs_summary,
    say_cut,
    say_next,
    say_nothing_found,
)
from jobspan.cli.terminal.screen import Screen, piece
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.errors import UsageError
from jobspan.questions.runs import newest_runs, nothing_found


@click.command("runs")
@click.option("--commands", "of_commands", is_flag=True, help="Console commands, with what became of their jobs.")
@filter_options
@reading_options
@click.pass_context
def command(context: click.Context, /, of_commands: bool, **options: Any) -> int:
    """Attempts at jobs, whatever their outcome: newest last. With --commands what caused them."""
    how = reading(context, options)
    query = read_query(options, how.clock)
    with opened(how.environment, how.place) as backend:
        if of_commands:
            return _commands(backend, how, query)
        found = newest_runs(backend, query.where)
        if how.as_json:
            from jobspan.cli.documents.documents import runs_document

            click.echo(runs_document(found.runs, found.counts, query.where))
            return 0 if found.runs else 1
        screen, ids = Screen(again=how.place.again), ShortIds(backend.shorten)
        if not found.runs:
            say_nothing_found(screen, nothing_found(backend, query.where, found.counts), how, query)
            return 1
        screen.table(run_table(found.runs, RUN_COLUMNS, how.clock, ids))
        say_cut(screen, len(found.runs), more=found.more)
        screen.line(*runs_summary(found.counts, query.window))
        say_next(screen, next_steps(found.runs[0], ids, ["jobspan failed"] if found.counts.failed else []))
        return 0


def _commands(backend: Backend, how: ReadOptions, query: Query) -> int:
    if any((query.where.jobs, query.where.queues, query.where.frameworks, query.where.outcomes)):
        raise UsageError("saw --commands with a filter of runs; expected only --since, --until, --command and --limit")
    found = backend.commands(query.where)
    if how.as_json:
        from jobspan.cli.documents.documents import commands_document

        click.echo(commands_document(found, query.where))
        return 0 if found else 1
    screen, ids = Screen(again=how.place.again), ShortIds(backend.shorten)
    if not found:
        screen.line(piece(f"No commands {query.window}."))
        say_next(screen, ["jobspan runs --commands --since 7d"])
        return 1
    screen.table(command_table(found, how.clock, ids))
    screen.line(piece(commands_summary(found, query.window)))
    newest = found[0]
    follow = "" if newest.command else " --watch"
    say_next(screen, [f"jobspan show {ids.short(newest.id)}{follow} (the newest)"])
    return 0
