"""``jobspan show ID``: the story of a command, a job or a trace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from jobspan.analysis.command import CommandStory
from jobspan.analysis.job import JobStory
from jobspan.backends.base import Backend, Match
from jobspan.cli.environment import opened
from jobspan.cli.options import ReadOptions, reading, reading_options
from jobspan.cli.screens.runs_screen import say_next
from jobspan.cli.terminal.screen import Column, Piece, Screen, Table, piece
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.errors import UsageError
from jobspan.questions.stories import Story, find, story

_SPANS = 200


@click.command("show")
@click.argument("id_", metavar="ID")
@click.option(
    "--limit", type=click.IntRange(min=0), default=_SPANS, show_default=True, help="Spans of a trace; 0: all."
)
@click.option("--watch", is_flag=True, help="Follow a running command until its jobs are done, then show its story.")
@reading_options
@click.pass_context
def command(context: click.Context, /, id_: str, limit: int, watch: bool, **options: Any) -> int:
    """The story of a command, a job or a trace; ID may be cut to a unique beginning."""
    how = reading(context, options)
    with opened(how.environment, how.place) as backend:
        matches = find(backend, id_.strip())
        if len(matches) != 1:
            return _no_single_match(id_, matches, how)
        if watch:
            _follow(backend, matches[0], how)
        found = story(backend, matches[0], how.clock.now_ns)
        if found is None:
            return _no_single_match(id_, [], how)
        if how.as_json:
            from jobspan.cli.documents.documents import story_document

            click.echo(story_document(matches[0], found))
            return 0
        _print(found, how, ShortIds(backend.shorten), limit or None)
        return 0


def _follow(backend: Backend, match: Match, how: ReadOptions) -> None:
    if match.kind != "command" or how.as_json:
        raise UsageError("saw --watch with a job, a trace or --json; expected the id of a command alone")
    from jobspan.cli.commands.watch import watch

    watch(backend, match.id, how.environment, Screen())


def _print(found: Story, how: ReadOptions, ids: ShortIds, limit: int | None) -> None:
    screen = Screen(again=how.place.again)
    if isinstance(found, CommandStory):
        from jobspan.cli.screens.command_screen import print_command

        print_command(screen, found, how.clock, ids)
    elif isinstance(found, JobStory):
        from jobspan.cli.screens.job_screen import print_job

        print_job(screen, found, how.clock, ids)
    else:
        from jobspan.cli.screens.trace_screen import print_trace

        print_trace(screen, found, how.clock, limit)


def _no_single_match(typed: str, matches: Sequence[Match], how: ReadOptions) -> int:
    if how.as_json:
        from jobspan.cli.documents.documents import matches_document

        click.echo(matches_document(matches))
        return 2 if matches else 1
    screen = Screen(again=how.place.again)
    if not matches:
        screen.line(piece(f"No command, job or trace in {how.place} has an id that begins with {typed}."))
        say_next(screen, ["jobspan failed", "jobspan runs --since 7d (both list ids)"])
        return 1
    screen.line(piece(f"{typed} is the beginning of {len(matches)} ids; type more of the one you mean:"))
    rows = [[Piece(match.kind), piece(match.id)] for match in matches]
    screen.lines(Table([Column("kind"), Column("id")], rows, indent="  ").lines(None))
    return 2
