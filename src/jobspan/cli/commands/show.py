"""``jobspan show ID``: the story of a command, a job or a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from jobspan.analysis.command import CommandStory, command_story
from jobspan.analysis.job import JobStory, job_story, parent_of
from jobspan.analysis.trace import TraceStory, trace_story
from jobspan.backends.base import Backend, IdKind, Match, RunFilter
from jobspan.cli.options import ReadOptions, reading, reading_options
from jobspan.cli.screens.run_screen import say_next
from jobspan.cli.terminal.screen import Column, Piece, Screen, Table, piece
from jobspan.cli.terminal.short_ids import SHORTEST, ShortIds
from jobspan.cli.world import opened
from jobspan.errors import UsageError
from jobspan.runs import RUNNING, Run, Span

_ANCESTORS_AT_MOST = 20
_SPANS = 200

Story = CommandStory | JobStory | TraceStory


@click.command("show")
@click.argument("id_", metavar="ID")
@click.option(
    "--limit", type=click.IntRange(min=0), default=_SPANS, show_default=True, help="Spans of a trace; 0: all."
)
@click.option("--watch", is_flag=True, help="Follow a running command until its jobs are done, then tell its story.")
@reading_options
@click.pass_context
def command(context: click.Context, /, id_: str, limit: int, watch: bool, **options: Any) -> int:
    """The story of a command, a job or a trace; ID may be cut to a unique beginning."""
    how = reading(context, options)
    with opened(how.world, how.place) as backend:
        matches = find(backend, id_.strip())
        if len(matches) != 1:
            return _no_single_match(id_, matches, how)
        if watch:
            _follow(backend, matches[0], how)
        story = tell(backend, matches[0], how)
        if story is None:
            return _no_single_match(id_, [], how)
        if how.as_json:
            from jobspan.cli.documents.documents import story_document

            click.echo(story_document(matches[0], story))
            return 0
        _print(story, how, ShortIds(backend.shorten), limit or None)
        return 0


def _follow(backend: Backend, match: Match, how: ReadOptions) -> None:
    if match.kind != "command" or how.as_json:
        raise UsageError("saw --watch with a job, a trace or --json; expected the id of a command alone")
    from jobspan.cli.commands.watch import watch

    watch(backend, match.id, how.world, Screen())


def find(backend: Backend, prefix: str) -> Sequence[Match]:
    """Return what an id can mean: the one that equals it, else all that begin with it.

    Raises:
        UsageError: shorter than four characters, and no whole id.
    """
    if not prefix:
        raise UsageError("saw an empty id; expected the id of a command, a job or a trace")
    matches = backend.find(prefix) or backend.find(prefix.lower())
    whole = [match for match in matches if match.id == prefix]
    if len(prefix) < SHORTEST and not whole:
        raise UsageError(f"saw {prefix!r}; expected at least {SHORTEST} characters of an id")
    return whole if len(whole) == 1 else matches


def tell(backend: Backend, match: Match, how: ReadOptions) -> Story | None:
    """Return the story of what an id names; None when the backend knows no span of it."""
    tellers: Mapping[IdKind, Callable[[Backend, str, int], Story | None]] = {
        "command": _command,
        "job": _job,
        "trace": _trace,
    }
    return tellers[match.kind](backend, match.id, how.clock.now_ns)


def _command(backend: Backend, command_id: str, now_ns: int) -> CommandStory:
    open_runs = backend.runs(RunFilter(commands=(command_id,), outcomes=(RUNNING,)))
    return command_story(command_id, backend.story(Match("command", command_id)), open_runs, now_ns=now_ns)


def _job(backend: Backend, job_id: str, _now_ns: int) -> JobStory | None:
    spans = with_origin(backend, job_id, backend.story(Match("job", job_id)))
    open_runs = [run for run in _running(backend) if run.job_id == job_id]
    return job_story(job_id, spans, open_runs)


def _trace(backend: Backend, trace_id: str, _now_ns: int) -> TraceStory | None:
    return trace_story(trace_id, backend.story(Match("trace", trace_id)))


def _running(backend: Backend) -> Sequence[Run]:
    return backend.runs(RunFilter(outcomes=(RUNNING,)))


def with_origin(backend: Backend, job_id: str, spans: Sequence[Span]) -> list[Span]:
    """Return a job's spans and those of the jobs above it."""
    known, asked_for = {(span.trace_id, span.span_id): span for span in spans}, {job_id}
    parent = parent_of(job_id, spans)
    while parent and parent not in asked_for and len(asked_for) <= _ANCESTORS_AT_MOST:
        asked_for.add(parent)
        known |= {(span.trace_id, span.span_id): span for span in backend.story(Match("job", parent))}
        parent = parent_of(parent, known.values())
    return list(known.values())


def _print(story: Story, how: ReadOptions, ids: ShortIds, limit: int | None) -> None:
    screen = Screen(again=how.place.again)
    if isinstance(story, CommandStory):
        from jobspan.cli.screens.command_screen import print_command

        print_command(screen, story, how.clock, ids)
    elif isinstance(story, JobStory):
        from jobspan.cli.screens.job_screen import print_job

        print_job(screen, story, how.clock, ids)
    else:
        from jobspan.cli.screens.trace_screen import print_trace

        print_trace(screen, story, how.clock, limit)


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
