"""What failed, in words, and failures that belong together."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from jobspan import conventions as c
from jobspan.jobs import Outcome
from jobspan.runs import RUNNING, Failure, Run

NONE = "-"

_CHANGING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\d+(?:[.,]\d+)*")


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failed runs that share an error, a job, a queue or a command, newest first."""

    key: str
    runs: tuple[Run, ...]

    @property
    def newest(self) -> Run:
        """The failure to look at first."""
        return self.runs[0]

    @property
    def jobs(self) -> int:
        """How many different jobs."""
        return len({run.job_id or run.span_id for run in self.runs})

    @property
    def job_names(self) -> tuple[str, ...]:
        """The jobs' names, most frequent first."""
        counts: dict[str, int] = defaultdict(int)
        for run in self.runs:
            counts[run.job_name or NONE] += 1
        return tuple(sorted(counts, key=lambda name: (-counts[name], name)))

    @property
    def first_ns(self) -> int:
        """Start of the oldest failed run."""
        return min(run.start_ns for run in self.runs)

    @property
    def last_ns(self) -> int:
        """Start of the newest failed run."""
        return max(run.start_ns for run in self.runs)


def error_of(run: Run) -> str:
    """Return a run's error as one phrase: ``CardError: card declined``; empty when it has none.

    The exception's class without its module; else how its process died, the retry's reason, or ``error.type``.
    """
    known = failure_text(run.failure) or loss_text(run) or run.retry_reason
    return known or (run.error_type or "").rpartition(".")[2]


def loss_text(run: Run) -> str:
    """Return how the process of a lost run died as one phrase: ``SIGKILL, out of memory``; empty when not known."""
    if run.exit_signal is not None:
        return f"{run.exit_signal}, out of memory" if run.oom_killed else run.exit_signal
    if run.exit_code is not None:
        return f"exit code {run.exit_code}"
    return "its whole worker died" if run.lost_reason == c.LOST_HOST else ""


def failure_text(failure: Failure | None) -> str:
    """Return an exception as one phrase, its class without the module; empty for None."""
    if failure is None:
        return ""
    parts = ((failure.type or "").rpartition(".")[2], (failure.message or "").strip())
    return ": ".join(part for part in parts if part)


def outcome_text(outcome: str | None) -> str:
    """Return an outcome as a person writes it: ``timed out``; ``running`` for none."""
    return (outcome or RUNNING).replace("_", " ")


def ending_of(run: Run) -> str:
    """Return outcome and error as one phrase: ``lost: SIGKILL, out of memory``, ``succeeded``."""
    return ": ".join(part for part in (outcome_text(run.outcome), error_of(run)) if part)


def failure_of(run: Run) -> str:
    """Return how a run failed: its error, with the outcome before it where that is not plainly ``failed``."""
    error = error_of(run)
    return error if error and run.outcome == Outcome.FAILED else ending_of(run)


def group_failures(runs: Sequence[Run], by: str) -> tuple[FailureGroup, ...]:
    """Group failed runs, most jobs first, then newest first.

    Args:
        runs: failed runs.
        by: a key of ``GROUPINGS``. By error, messages that differ only in numbers and ids are one group, named with
            ``#`` in their place.
    """
    key_of = GROUPINGS[by]
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: -run.start_ns):
        groups[key_of(run)].append(run)
    named = [FailureGroup(_label(key, members, by), tuple(members)) for key, members in groups.items()]
    return tuple(sorted(named, key=lambda group: (-group.jobs, -group.last_ns)))


def _label(key: str, members: Sequence[Run], by: str) -> str:
    if by != "error":
        return key
    verbatim = {failure_of(run) for run in members}
    return verbatim.pop() if len(verbatim) == 1 else key


def _without_changing_parts(run: Run) -> str:
    return _CHANGING.sub("#", failure_of(run))


GROUPINGS: Mapping[str, Callable[[Run], str]] = MappingProxyType(
    {
        "error": _without_changing_parts,
        "job": lambda run: run.job_name or NONE,
        "queue": lambda run: run.queue or NONE,
        "command": lambda run: run.command_name or NONE,
    }
)
"""What failures can be grouped by, and the group that a run belongs to."""
