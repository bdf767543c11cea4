"""How many runs and jobs, and what became of a command's: counted from spans, as others do in SQL."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from jobspan import conventions as c
from jobspan.backends.base import CommandSeen, Counts
from jobspan.jobs import Outcome
from jobspan.runs import (
    RUNNING,
    Run,
    Span,
    command_from_span,
    is_command,
    is_publish,
    is_publish_batch,
    is_run,
    run_from_span,
)


def count(runs: Iterable[Run]) -> Counts:
    """Count attempts, the jobs that they are of, and how those ended."""
    attempts = sorted(runs, key=lambda run: run.start_ns)
    jobs = _by_job(attempts)
    return Counts(
        runs=len(attempts),
        jobs=len(jobs),
        failed=sum(any(run.failed for run in tries) for tries in jobs.values()),
        recovered=sum(map(_has_recovered, jobs.values())),
        by_outcome=dict(sorted(Counter(run.outcome or RUNNING for run in attempts).items())),
    )


def command_seen(command_id: str, spans: Sequence[Span]) -> CommandSeen:
    """Summarise a command from the spans that name it; they know nothing of its running jobs."""
    own = next((command_from_span(span) for span in spans if is_command(span)), None)
    first = min(spans, key=lambda span: span.start_ns)
    jobs = _by_job(sorted((run_from_span(span) for span in spans if is_run(span)), key=lambda run: run.start_ns))
    put, not_put = _published(spans)
    return CommandSeen(
        id=command_id,
        name=own.name if own else first.attributes.get(c.JOBSPAN_COMMAND_NAME),
        start_ns=own.start_ns if own else first.start_ns,
        last_ns=max(span.end_ns for span in spans),
        command=own,
        put=max(put, len(jobs), own.published if own else 0),
        not_put=max(not_put, own.failed_to_publish if own else 0),
        done=sum(any(run.final for run in tries) for tries in jobs.values()),
        failed=sum(any(run.failed for run in tries) for tries in jobs.values()),
        running=0,
        retries=sum(run.outcome == Outcome.RETRIED for tries in jobs.values() for run in tries),
        tells_running=False,
    )


def _by_job(runs: Iterable[Run]) -> dict[str, list[Run]]:
    jobs = defaultdict[str, list[Run]](list)
    for run in runs:
        jobs[run.job_id or run.span_id].append(run)
    return jobs


def _has_recovered(tries: Sequence[Run]) -> bool:
    retried = next((run.start_ns for run in tries if run.outcome == Outcome.RETRIED), None)
    return retried is not None and any(run.outcome == Outcome.SUCCEEDED and run.start_ns > retried for run in tries)


def _published(spans: Iterable[Span]) -> tuple[int, int]:
    """Return how many jobs were published and how many publishes failed; a retry's publish is no new job."""
    put = not_put = 0
    for span in spans:
        fails = c.ERROR_TYPE in span.attributes
        if is_publish_batch(span) and span.kind == "producer":
            put += int(span.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT])
        elif is_publish(span):
            put += not fails and span.attributes.get(c.JOBSPAN_JOB_ATTEMPT, 1) == 1
            not_put += fails
    return put, not_put
