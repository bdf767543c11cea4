"""``jobspan failed``: jobs that failed, and why."""

from __future__ import annotations

from typing import Any

import click

from jobspan.analysis.failures import GROUPINGS
from jobspan.backends.base import Backend
from jobspan.cli.environment import opened
from jobspan.cli.options import Query, ReadOptions, filter_options, read_query, reading, reading_options
from jobspan.cli.screens.runs_screen import (
    FAILED_COLUMNS,
    failed_summary,
    group_table,
    next_steps,
    run_table,
    say_cut,
    say_next,
    say_nothing_found,
)
from jobspan.cli.terminal.screen import Screen
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.questions.runs import failure_groups, newest_runs, nothing_found


@click.command("failed")
@click.option("--by", type=click.Choice(list(GROUPINGS)), help="Count failures that belong together.")
@filter_options
@reading_options
@click.pass_context
def command(context: click.Context, /, by: str | None, **options: Any) -> int:
    """Jobs that failed, and why: newest last."""
    how = reading(context, options)
    query = read_query(options, how.clock, failed=True)
    with opened(how.environment, how.place) as backend:
        return _groups(backend, how, query, by) if by else _rows(backend, how, query)


def _rows(backend: Backend, how: ReadOptions, query: Query) -> int:
    found = newest_runs(backend, query.where)
    if how.as_json:
        from jobspan.cli.documents.documents import runs_document

        click.echo(runs_document(found.runs, found.counts, query.where))
        return 0 if found.runs else 1
    screen, ids = Screen(again=how.place.again), ShortIds(backend.shorten)
    if not found.runs:
        say_nothing_found(screen, nothing_found(backend, query.where, found.counts), how, query)
        return 1
    screen.table(run_table(found.runs, FAILED_COLUMNS, how.clock, ids))
    say_cut(screen, len(found.runs), more=found.more)
    screen.line(*failed_summary(found.counts, query.window))
    say_next(screen, next_steps(found.runs[0], ids, ["jobspan failed --by error"]))
    return 0


def _groups(backend: Backend, how: ReadOptions, query: Query, by: str) -> int:
    found = failure_groups(backend, query.where, by)
    if how.as_json:
        from jobspan.cli.documents.documents import groups_document

        click.echo(groups_document(by, found.groups, found.counts, query.where))
        return 0 if found.groups else 1
    screen, ids = Screen(again=how.place.again), ShortIds(backend.shorten)
    if not found.groups:
        say_nothing_found(screen, nothing_found(backend, query.where, found.counts), how, query)
        return 1
    screen.table(group_table(by, found.groups, how.clock, ids))
    if len(found.groups) < found.total:
        screen.line(f"Only the largest {len(found.groups)} of {found.total} are shown; --limit 0 shows all.")
    screen.line(*failed_summary(found.counts, query.window))
    say_next(screen, next_steps(found.groups[0].newest, ids, []))
    return 0
