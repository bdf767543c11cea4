"""``jobspan runs``: attempts at jobs, whatever their outcome."""

from __future__ import annotations

from typing import Any

import click

from jobspan.cli.failed import newest_runs
from jobspan.cli.options import asked, filter_options, reading, reading_options
from jobspan.cli.run_screen import (
    RUN_COLUMNS,
    next_steps,
    run_table,
    runs_summary,
    say_cut,
    say_next,
    say_nothing_found,
)
from jobspan.cli.screen import Screen
from jobspan.cli.short_ids import ShortIds
from jobspan.cli.world import opened


@click.command("runs")
@filter_options
@reading_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Attempts at jobs, whatever their outcome: newest last."""
    how = reading(context, options)
    wanted = asked(options, how.clock)
    with opened(how.world, how.place) as backend:
        found, counts, more = newest_runs(backend, wanted)
        if how.as_json:
            from jobspan.cli.json_documents import runs_document

            click.echo(runs_document(found, counts, wanted.where))
            return 0 if found else 1
        screen, ids = Screen(again=how.place.again), ShortIds(backend.shorten)
        if not found:
            say_nothing_found(screen, backend, how, wanted, counts)
            return 1
        screen.table(run_table(found, RUN_COLUMNS, how.clock, ids))
        say_cut(screen, len(found), more=more)
        screen.line(*runs_summary(counts, wanted.window))
        say_next(screen, next_steps(found[0], ids, ["jobspan failed"] if counts.failed else []))
        return 0
