"""Jobs that differ from one another in ids and times alone: what they have in common is reported, and worked out, once.

A hook reports the first of them whole (``PublishStarted``, ``RunStarted``), and of the others what is their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobspan.jobs import Job
from jobspan.named_tuple import NamedTuple


class Pattern:
    """What such jobs have in common.

    ``example`` is the event of one of them without what is its own; ``prepared`` what the sink has worked out from it.
    """

    __slots__ = ("example", "prepared")

    def __init__(self, example: Any) -> None:
        self.example = example
        self.prepared: Any = None

    def prepare(self, work_out: Callable[..., Any], *of: Any) -> Any:
        """Keep what is worked out from the example, and return it; False: nothing, so each job is reported whole."""
        self.prepared = work_out(self.example, *of) or False
        return self.prepared


class JobByPattern(NamedTuple):
    """A job of a pattern. ``workflow_id`` is one that the library's own message carries."""

    pattern: Pattern
    id: str | None
    workflow_id: str | None = None
    parent_id: str | None = None

    def whole(self) -> Job:
        """Return all that is known of it."""
        job: Job = self.pattern.example.job
        return job._replace(id=self.id, workflow_id=self.workflow_id, parent_id=self.parent_id)


def whole(job: Job | JobByPattern) -> Job:
    """Return all that is known of a job."""
    return job.whole() if isinstance(job, JobByPattern) else job
