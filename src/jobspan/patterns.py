"""Jobs that differ from one another in ids and times alone: what they have in common is told, and worked out, once.

A hook tells the first of them whole (``PublishStarted``, ``RunStarted``), and of the others what is their own.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, NamedTuple

from jobspan.events import PublishStarted, RunStarted

if TYPE_CHECKING:
    from jobspan.jobs import Job

_MOST = 2048


class Pattern:
    """What such jobs have in common.

    ``example`` is the event of one of them without what is its own; ``prepared`` what the sink has worked out from it.
    """

    __slots__ = ("example", "prepared")

    def __init__(self, example: Any) -> None:
        self.example = example
        self.prepared: Any = None


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


class Patterns:
    """The patterns that a hook has learned, by what decides all that they say."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Pattern] = {}

    def find(self, key: Hashable) -> Pattern | None:
        """Return the pattern of a job; None: none is known, or there is more to the job, whose key is None."""
        try:
            return self._known.get(key)
        except TypeError:  # something in a message that cannot be hashed
            return None

    def learn(self, key: Hashable, event: PublishStarted | RunStarted) -> None:
        """Keep what is common to all jobs of a key, from one that was told whole."""
        if key is None:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        try:
            self._known[key] = _pattern_of(event)
        except TypeError:
            return

    def forget(self) -> None:
        """Begin anew: something that stands in no key has changed."""
        self._known.clear()


def whole(job: Job | JobByPattern) -> Job:
    """Return all that is known of a job."""
    return job.whole() if isinstance(job, JobByPattern) else job


def _pattern_of(event: PublishStarted | RunStarted) -> Pattern:
    job = event.job._replace(id=None, workflow_id=None, parent_id=None)
    if isinstance(event, RunStarted):
        return Pattern(event._replace(key=None, job=job, carrier={}, at_ns=0, received_ns=None, arguments=None))
    return Pattern(event._replace(key=None, job=job, carrier={}, at_ns=0, arguments=None))
