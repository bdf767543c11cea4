"""What an id means, and the story of the command, job or trace that it names."""

from __future__ import annotations

from collections.abc import Sequence

from jobspan.analysis.command import CommandStory, command_story
from jobspan.analysis.job import JobStory, job_story, parent_of
from jobspan.analysis.trace import TraceStory, trace_story
from jobspan.backends.base import Backend, Match, RunFilter
from jobspan.backends.ids import SHORTEST
from jobspan.errors import UsageError
from jobspan.runs import RUNNING, Span

Story = CommandStory | JobStory | TraceStory

_ANCESTORS_AT_MOST = 20


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


def story(backend: Backend, match: Match, now_ns: int) -> Story | None:
    """Return the story of what an id names; None when the backend knows no span of it.

    ``now_ns``: where runs in flight end in a command's timeline.
    """
    if match.kind == "command":
        return story_of_command(backend, match.id, now_ns)
    return story_of_job(backend, match.id) if match.kind == "job" else trace_story(match.id, backend.story(match))


def story_of_command(backend: Backend, command_id: str, now_ns: int) -> CommandStory:
    """Return what a command caused; without any span of it, an empty story."""
    open_runs = backend.runs(RunFilter(commands=(command_id,), outcomes=(RUNNING,)))
    return command_story(command_id, backend.story(Match("command", command_id)), open_runs, now_ns=now_ns)


def story_of_job(backend: Backend, job_id: str) -> JobStory | None:
    """Return what became of a job and where it came from; None when the backend knows no span of it."""
    spans = with_origin(backend, job_id, backend.story(Match("job", job_id)))
    open_runs = [run for run in backend.runs(RunFilter(outcomes=(RUNNING,))) if run.job_id == job_id]
    return job_story(job_id, spans, open_runs)


def with_origin(backend: Backend, job_id: str, spans: Sequence[Span]) -> list[Span]:
    """Return a job's spans and those of the jobs above it, at most twenty levels."""
    known, visited = {(span.trace_id, span.span_id): span for span in spans}, {job_id}
    parent = parent_of(job_id, spans)
    while parent and parent not in visited and len(visited) <= _ANCESTORS_AT_MOST:
        visited.add(parent)
        known |= {(span.trace_id, span.span_id): span for span in backend.story(Match("job", parent))}
        parent = parent_of(parent, known.values())
    return list(known.values())
