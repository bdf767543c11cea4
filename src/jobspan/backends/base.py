"""What can be asked of any backend: runs by filter, counts, an id by its prefix, and the spans of one story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from jobspan.runs import Command, Run, Span

IdKind = Literal["command", "job", "trace"]


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs. Empty tuples and None mean "any"; several values of one field mean "one of".

    Attributes:
        since_ns, until_ns: started within, Unix nanoseconds, half-open.
        jobs, queues: names; ``*`` and ``?`` match as in a shell.
        commands: command names (with ``*`` and ``?``) or prefixes of command ids; 16 hex digits are an id, no name.
        frameworks: ``celery``, ``dramatiq``.
        outcomes: values of ``jobspan.job.outcome``, or ``running``.
        failed: only runs that have failed (see ``jobs.has_failed``).
        limit: at most this many, newest first; None: all.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    jobs: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    failed: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many, over everything that a filter matches (its ``limit``, ``failed`` and ``outcomes`` set aside).

    Attributes:
        runs: attempts.
        jobs: different jobs.
        failed: jobs of which a run has failed.
        recovered: jobs that were retried, and then succeeded.
        by_outcome: attempts by outcome, ``running`` among them.
    """

    runs: int
    jobs: int
    failed: int
    recovered: int
    by_outcome: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """An id that begins with what was typed."""

    kind: IdKind
    id: str


@dataclass(frozen=True, slots=True)
class CommandSeen:
    """A command, and what became of all jobs that it caused, through whatever jobs.

    Attributes:
        start_ns, last_ns: its start, and the last that is seen of it or its jobs.
        command: its own span; None: it still runs, or was killed and its end was not recorded.
        put: jobs published, as far as is seen; each counts once, however often it is retried.
        done: jobs that have had their last run; ``failed`` are among them.
        running: jobs with a run in flight; only known where ``tells_running``.
    """

    id: str
    name: str | None
    start_ns: int
    last_ns: int
    command: Command | None
    put: int
    not_put: int
    done: int
    failed: int
    running: int
    retries: int
    tells_running: bool


@runtime_checkable
class ReportsDrops(Protocol):
    """A backend that also receives what senders could not record."""

    def dropped(self) -> Mapping[str, int]:
        """Return the events of ``jobspan.telemetry.dropped`` in the last hour, by reason."""
        ...


class Backend(Protocol):
    """Where spans are kept. Every method raises ``BackendError`` when it cannot be reached or understood."""

    def runs(self, where: RunFilter) -> Sequence[Run]:
        """Return the runs that match, newest start first; runs in flight among them where known."""
        ...

    def counts(self, where: RunFilter) -> Counts:
        """Count over all that match."""
        ...

    def commands(self, where: RunFilter) -> Sequence[CommandSeen]:
        """Return the commands that match by time, name or id, newest first, with what became of their jobs."""
        ...

    def find(self, prefix: str) -> Sequence[Match]:
        """Return every command, job and trace whose id begins with ``prefix``; at most 20."""
        ...

    def shorten(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the shortest beginning of each id, four characters or more, that ``find`` answers with it alone.

        Compared with the ids given and the newest spans; the number of further spans sets the least length. In a large
        store an older id with the same beginning is unlikely, not impossible.
        """
        ...

    def story(self, match: Match) -> Sequence[Span]:
        """Return all spans that belong to a command (by ``jobspan.command.id`` and its trace), a job or a trace.

        Ordered by start. For a job: its publish and run spans and what ran inside them.
        """
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
