"""One job's story: where it came from, each attempt, and what it published itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobspan.analysis.seen import JobSeen, see
from jobspan.jobs import Outcome
from jobspan.runs import Command, Failure, Link, Publish, Run, Span


@dataclass(frozen=True, slots=True)
class JobStory:
    """What became of one job.

    Attributes:
        command: the command at its root, when its span is among those given.
        ancestors: the jobs it came through, outermost first.
        children: jobs it published, by name.
        links: of its newest run.
    """

    job: JobSeen
    command: Command | None
    ancestors: tuple[JobSeen, ...]
    children: Mapping[str, int]
    links: tuple[Link, ...]

    @property
    def newest(self) -> Run | None:
        """The newest attempt; None while it waits."""
        return self.job.runs[-1] if self.job.runs else None

    @property
    def publish(self) -> Publish | None:
        """Its first publish; None when that was not seen."""
        return self.job.publishes[0] if self.job.publishes else None

    @property
    def failing(self) -> Run | None:
        """The newest attempt that recorded an exception."""
        return next((run for run in reversed(self.job.runs) if run.failure), None)

    @property
    def failure(self) -> Failure | None:
        """The exception to show: the newest attempt's, else its failed publish's."""
        if self.failing:
            return self.failing.failure
        return next((publish.failure for publish in self.job.publishes if publish.failure), None)

    @property
    def recovered(self) -> bool:
        """The newest attempt succeeded."""
        return self.job.state == Outcome.SUCCEEDED

    @property
    def trace_id(self) -> str:
        """The trace of the newest attempt, else of the publish."""
        return self.job.spans[-1].trace_id


def job_story(job_id: str, spans: Iterable[Span], open_runs: Iterable[Run] = ()) -> JobStory | None:
    """Return a job's story from its spans and, for its origin, those of the jobs and the command above it."""
    seen = see(spans, open_runs)
    job = seen.jobs.get(job_id)
    if job is None:
        return None
    return JobStory(
        job=job,
        command=seen.commands.get(job.command_id or ""),
        ancestors=seen.lineage(job_id)[:-1],
        children=Counter(child.name for child in seen.jobs.values() if child.parent_key == job_id),
        links=job.runs[-1].links if job.runs else (),
    )


def parent_of(job_id: str, spans: Iterable[Span]) -> str | None:
    """Return the id of the job that published this one, as far as these spans show."""
    job = see(spans).jobs.get(job_id)
    return job.parent_key if job else None
