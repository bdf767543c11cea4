"""``jobspan failed``: jobs that failed, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from jobspan.analysis.failures import GROUPINGS, group_failures
from jobspan.backends.base import Backend, Counts
from jobspan.cli.options import Query, ReadOptions, asked, filter_options, reading, reading_options
from jobspan.cli.screens.run_screen import (
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
from jobspan.cli.world import opened
from jobspan.runs import Run


@click.command("failed")
@click.option("--by", type=click.Choice(list(GROUPINGS)), help="Count failures that belong together.")
@filter_options
@reading_options
@click.pass_context
def command(context: click.Context, /, by: str | None, **options: Any) -> int:
    """Jobs that failed, and why: newest last."""
    how = reading(context, options)
    wanted = asked(options, how.clock, failed=True)
    with opened(how.world, how.place) as backend:
        return _groups(backend, how, wanted, by) if by else _rows(backend, how, wanted)


def _rows(backend: Backend, how: ReadOptions, wanted: Query) -> int:
    found, counts, more = newest_runs(backend, wanted)
    if how.as_json:
        from jobspan.cli.documents.documents import runs_document

        click.echo(runs_document(found, counts, wanted.where))
        return 0 if found else 1
    screen, ids = Screen(again=how.place.again), ShortIds(backend.shorten)
    if not found:
        say_nothing_found(screen, backend, how, wanted, counts)
        return 1
    screen.table(run_table(found, FAILED_COLUMNS, how.clock, ids))
    say_cut(screen, len(found), more=more)
    screen.line(*failed_summary(counts, wanted.window))
    say_next(screen, next_steps(found[0], ids, ["jobspan failed --by error"]))
    return 0


def _groups(backend: Backend, how: ReadOptions, wanted: Query, by: str) -> int:
    runs = backend.runs(replace(wanted.where, limit=None))
    counts = backend.counts(wanted.where)
    groups = group_failures(runs, by)
    shown = groups[: wanted.where.limit]
    if how.as_json:
        from jobspan.cli.documents.documents import groups_document

        click.echo(groups_document(by, shown, counts, wanted.where))
        return 0 if shown else 1
    screen, ids = Screen(again=how.place.again), ShortIds(backend.shorten)
    if not groups:
        say_nothing_found(screen, backend, how, wanted, counts)
        return 1
    screen.table(group_table(by, shown, how.clock, ids))
    if len(shown) < len(groups):
        screen.line(f"Only the largest {len(shown)} of {len(groups)} are shown; --limit 0 shows all.")
    screen.line(*failed_summary(counts, wanted.window))
    say_next(screen, next_steps(shown[0].newest, ids, []))
    return 0


def newest_runs(backend: Backend, wanted: Query) -> tuple[list[Run], Counts, bool]:
    """Return the newest runs up to the limit, the counts over all, and whether there are more."""
    limit = wanted.where.limit
    found = backend.runs(replace(wanted.where, limit=limit + 1 if limit else None))
    found = sorted(found, key=lambda run: (-run.start_ns, run.span_id))
    return found[:limit], backend.counts(wanted.where), limit is not None and len(found) > limit
