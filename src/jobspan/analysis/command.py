"""A command's story: the jobs that it published, how they ended, and what each kind of job cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jobspan.analysis.memory import Memory, highest_memory
from jobspan.analysis.quantiles import Spread, spread
from jobspan.analysis.seen import NOT_PUT, JobSeen, Seen, see
from jobspan.analysis.timeline import Timeline, open_at_once
from jobspan.jobs import Outcome
from jobspan.runs import Command, Run, Span

NamePath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobFold:
    """All jobs of one name published by the same kind of job. ``depth`` 0: published by the command itself.

    Attributes:
        states: jobs by state (see ``JobSeen.state``).
        failed: jobs that have failed, by outcome.
        waited: over all runs, queued plus prefetched, seconds.
        ran: over all runs that ended and took time, seconds.
    """

    name: str
    depth: int
    jobs: int
    states: Mapping[str, int]
    failed: Mapping[str, int]
    retries: int
    waited: Spread | None
    ran: Spread | None
    memory: Memory | None


@dataclass(frozen=True, slots=True)
class CommandStory:
    """What a command caused.

    Attributes:
        command: None while no command span is there: it still runs, or was killed.
        put: jobs the command itself published, as its span counted them, else as seen.
        put_s: from its first publish's start to its last one's end.
        states, nested_states: jobs by state: published by the command, and by its jobs.
        retries: attempts that asked for another.
        runs: every run, oldest first.
        timeline: from the command's start to the last end; None without any run.
    """

    id: str
    name: str | None
    command: Command | None
    put: int
    not_put: int
    put_s: float | None
    states: Mapping[str, int]
    nested_states: Mapping[str, int]
    retries: int
    folds: tuple[JobFold, ...]
    runs: tuple[Run, ...]
    timeline: Timeline | None

    @property
    def failed_runs(self) -> tuple[Run, ...]:
        """Runs that have failed, oldest first."""
        return tuple(run for run in self.runs if run.failed)


def command_story(
    command_id: str, spans: Iterable[Span], open_runs: Iterable[Run] = (), *, now_ns: int, buckets: int = 40
) -> CommandStory:
    """Return a command's story.

    Args:
        command_id: the command's whole id.
        spans: all that belongs to it; jobs of other commands in the same trace are left out.
        open_runs: its runs in flight.
        now_ns: where runs in flight end in the timeline.
        buckets: how many pieces the timeline has.
    """
    seen = see(spans, open_runs)
    jobs = [job for job in seen.jobs.values() if job.command_id == command_id]
    command = seen.commands.get(command_id)
    direct = [job for job in jobs if len(seen.lineage(job.key)) == 1]
    nested = [job for job in jobs if len(seen.lineage(job.key)) > 1]
    runs = sorted((run for job in jobs for run in job.runs), key=lambda run: run.start_ns)
    return CommandStory(
        id=command_id,
        name=command.name if command else next((job.command_name for job in jobs if job.command_name), None),
        command=command,
        put=max(command.published if command else 0, sum(job.state != NOT_PUT for job in direct)),
        not_put=max(command.failed_to_publish if command else 0, sum(job.state == NOT_PUT for job in direct)),
        put_s=_put_s(direct),
        states=Counter(job.state for job in direct),
        nested_states=Counter(job.state for job in nested),
        retries=sum(run.outcome == Outcome.RETRIED for run in runs),
        folds=fold_jobs(jobs, seen),
        runs=tuple(runs),
        timeline=_timeline(command, runs, now_ns, buckets),
    )


def fold_jobs(jobs: Sequence[JobSeen], seen: Seen) -> tuple[JobFold, ...]:
    """Fold jobs by name, nested by the job that published them; a job beneath its own name is counted with that."""
    members: dict[NamePath, list[JobSeen]] = defaultdict(list)
    for job in jobs:
        members[_name_path(seen.lineage(job.key))].append(job)
    return tuple(_fold(path, members.get(path, [])) for path in _depth_first(members))


def _name_path(lineage: Sequence[JobSeen]) -> NamePath:
    path: NamePath = ()
    for job in lineage:
        path = path[: path.index(job.name) + 1] if job.name in path else (*path, job.name)
    return path


def _depth_first(members: Mapping[NamePath, Sequence[JobSeen]]) -> list[NamePath]:
    """Order paths as a tree: branches with failures first, then by their first job.

    A path whose parent has no jobs of its own is still in the tree.
    """
    first: dict[NamePath, int] = {}
    fine: dict[NamePath, bool] = {}
    for path, jobs in members.items():
        for length in range(1, len(path) + 1):
            start = min(job.first_ns for job in jobs)
            branch = path[:length]
            first[branch] = min(start, first.get(branch, start))
            fine[branch] = fine.get(branch, True) and not any(job.has_failed for job in jobs)
    return sorted(
        first, key=lambda path: [(fine[path[: i + 1]], first[path[: i + 1]], path[i]) for i in range(len(path))]
    )


def _fold(path: NamePath, jobs: Sequence[JobSeen]) -> JobFold:
    runs = [run for job in jobs for run in job.runs]
    return JobFold(
        name=path[-1],
        depth=len(path) - 1,
        jobs=len(jobs),
        states=Counter(job.state for job in jobs),
        failed=Counter(job.state for job in jobs if job.has_failed),
        retries=sum(run.outcome == Outcome.RETRIED for run in runs),
        waited=spread(run.waited_s for run in runs if run.waited_s is not None),
        ran=spread(run.duration_s for run in runs if run.duration_s),
        memory=highest_memory(runs),
    )


def _put_s(direct: Sequence[JobSeen]) -> float | None:
    publishes = [job.publishes[0] for job in direct if job.publishes]
    if not publishes:
        return None
    return (max(publish.end_ns for publish in publishes) - min(publish.start_ns for publish in publishes)) / 1e9


def _timeline(command: Command | None, runs: Sequence[Run], now_ns: int, buckets: int) -> Timeline | None:
    intervals = [(run.start_ns, run.end_ns or now_ns) for run in runs]
    if not intervals:
        return None
    whole = [*intervals, *([(command.start_ns, command.end_ns)] if command else [])]
    window = (min(start for start, _ in whole), max(end for _, end in whole))
    return open_at_once(intervals, window, buckets) if window[1] > window[0] else None
