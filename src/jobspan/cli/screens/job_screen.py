"""The screen of one job: how it ended, what it cost, its attempts, where it came from, and its exception."""

from __future__ import annotations

from collections.abc import Iterator

from jobspan.analysis.failures import ending_of, failure_text, outcome_text
from jobspan.analysis.job import JobStory
from jobspan.analysis.seen import NOT_PUT
from jobspan.cli.screens.cells import attempt, command_text, outcome_style, state_style
from jobspan.cli.screens.runs_screen import say_next
from jobspan.cli.terminal.sanitize import sanitize_block
from jobspan.cli.terminal.screen import FAILED, FINE, STRONG, Line, Piece, Screen, piece
from jobspan.cli.terminal.short_ids import ShortIds
from jobspan.cli.terminal.times import Clock
from jobspan.cli.terminal.units import duration, size
from jobspan.runs import Run

_LABEL = 9
_STEP = " \u203a "


def print_job(screen: Screen, story: JobStory, clock: Clock, ids: ShortIds) -> None:
    """Print a job's story and what to type next."""
    ids.expect([story.trace_id, story.job.command_id, *(ancestor.key for ancestor in story.ancestors)])
    screen.lines(job_lines(story, clock, ids))
    screen.lines(_stack(story))
    steps = [f"jobspan show {ids.short(story.trace_id)} (the trace)"]
    command_id = story.job.command_id
    steps += [f"jobspan show {ids.short(command_id)} (the command)"] if command_id else []
    say_next(screen, steps)


def job_lines(story: JobStory, clock: Clock, ids: ShortIds) -> Iterator[Line]:
    """Return all about a job but its stack, line by line; what is not known has no line."""
    yield [piece(story.job.name, STRONG), Piece("  "), piece(story.job.key), Piece("  "), *_ending(story, clock)]
    run = story.newest
    if story.failure and not story.recovered:
        yield [_label("error"), piece(failure_text(story.failure), FAILED)]
    if run:
        yield from _labelled("where", _where(run))
        yield from _labelled("waited", _waits(run))
        yield from _labelled("memory", _memory(run))
        yield from _labelled("cpu", duration(run.cpu_s))
        yield from _tries(story, clock)
    yield [_label("from"), piece(_origin(story, ids))]
    yield from _labelled("put", _published(story, clock))
    yield from _labelled("then put", ", ".join(f"{count} {name}" for name, count in story.children.items()))
    yield [_label("trace"), piece(story.trace_id)]
    for link in story.links:
        yield [
            _label("link"),
            piece(f"{(link.type or 'other').replace('_', ' ')}: trace {link.trace_id} span {link.span_id}"),
        ]


def _label(word: str) -> Piece:
    return Piece(f"  {word:<{_LABEL}}", FINE)


def _labelled(word: str, text: str) -> Iterator[Line]:
    if text:
        yield [_label(word), piece(text)]


def _ending(story: JobStory, clock: Clock) -> list[Piece]:
    run = story.newest
    if run is None:
        style = FAILED if story.job.state == NOT_PUT else state_style(story.job.state)
        return [Piece(_WITHOUT_RUN.get(story.job.state, story.job.state), style)]
    if run.end_ns is None:
        return [Piece(f"running for {duration((clock.now_ns - run.start_ns) / 1e9)}")]
    tries = f", try {attempt(run)}" if run.attempt > 1 or run.max_attempts else ""
    return [Piece(f"{outcome_text(run.outcome)} after {duration(run.duration_s)}", outcome_style(run)), Piece(tries)]


_WITHOUT_RUN = {"waiting": "waiting: no run of it was seen", "not put": "never put: its publish failed"}


def _where(run: Run) -> str:
    parts = (
        f"queue {run.queue}" if run.queue else "",
        run.worker or "",
        f"pid {run.pid}" if run.pid is not None else "",
        run.service or "",
    )
    return ", ".join(part for part in parts if part)


def _waits(run: Run) -> str:
    waits = {"scheduled": run.wait_scheduled_s, "queued": run.wait_queued_s, "prefetched": run.wait_prefetched_s}
    return ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in waits.items() if seconds is not None)


def _memory(run: Run) -> str:
    ends = [size(seen) for seen in (run.memory_start_bytes, run.memory_end_bytes) if seen is not None]
    peak = [f"peak {size(run.memory_peak_bytes)} ({run.memory_source})"] if run.memory_peak_bytes is not None else []
    return ", ".join([*([" → ".join(ends)] if ends else []), *peak])


def _tries(story: JobStory, clock: Clock) -> Iterator[Line]:
    runs = story.job.runs
    if len(runs) == 1 and runs[0].attempt == 1:
        run = runs[0]
        until = f" → {clock.stamp(run.end_ns)}" if run.end_ns else ""
        yield [_label("ran"), Piece(f"{clock.stamp(run.start_ns)}{until}")]
        return
    for place, run in enumerate(runs):
        yield [_label("tries" if place == 0 else ""), *_try(run, clock)]


def _try(run: Run, clock: Clock) -> list[Piece]:
    began = clock.stamp(run.start_ns)
    if run.end_ns is None:
        return [Piece(f"{attempt(run)}  since {began}  "), Piece("running")]
    times = f"{attempt(run)}  {began} → {clock.stamp(run.end_ns)}  "
    delay = f", again after {duration(run.retry_delay_s)}" if run.retry_delay_s is not None else ""
    return [Piece(times), piece(ending_of(run), outcome_style(run)), Piece(delay)]


def _origin(story: JobStory, ids: ShortIds) -> str:
    command = command_text(story.job.command_name, story.job.command_id, ids.short)
    jobs = [f"{ancestor.name} {ids.short(ancestor.key)}" for ancestor in story.ancestors]
    publish = [f"publish {story.job.name}"] if story.publish else ["publish not seen"]
    return _STEP.join([*([command] if command else []), *jobs, *publish, "here"])


def _published(story: JobStory, clock: Clock) -> str:
    publish = story.publish
    if publish is None:
        return ""
    again = f", {len(story.job.publishes) - 1} more for retries" if len(story.job.publishes) > 1 else ""
    error = failure_text(publish.failure) or publish.error_type
    failed = f", failed: {error}" if error else ""
    took = duration((publish.end_ns - publish.start_ns) / 1e9)
    return f"{clock.stamp(publish.start_ns)}, the publish took {took}{failed}{again}"


def _stack(story: JobStory) -> Iterator[Line]:
    stack = story.failure.stacktrace if story.failure else None
    if not stack:
        return
    yield []
    if story.failing and story.failing is not story.newest:
        yield [Piece(f"  try {attempt(story.failing)} raised", FINE)]
    yield from ([Piece(f"  {line}")] for line in sanitize_block(stack.rstrip("\n")))
    yield []
