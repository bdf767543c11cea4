"""The patterns of jobs that a hook has learned: what a job's key decides about it is worked out once.

A key holds no object of the application, which would keep apps, tasks and actors alive.
"""

from __future__ import annotations

from collections.abc import Hashable
from types import NoneType
from typing import Any

from jobspan.events import CpuScope, PublishStarted, RunStarted
from jobspan.jobs import Broker
from jobspan.patterns import Pattern

_MOST, _MOST_MISSED = 2048, 200_000
_IN_KEYS = frozenset({str, int, NoneType, Broker, CpuScope})


class Patterns:
    """The patterns that a hook has learned, by what decides all that they say."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Pattern] = {}
        self._missed = 0

    def find(self, key: Hashable) -> Pattern | None:
        """Return the pattern of a job; None: none is known, or there is more to the job, whose key is None."""
        return self._known.get(key)

    def learn(self, key: Hashable, event: PublishStarted | RunStarted) -> None:
        """Keep what is common to all jobs of a key, from one that was recorded whole.

        At most ``_MOST`` are kept; they are dropped when others have been missed often.
        """
        if key is None:
            return
        if len(self._known) >= _MOST:
            self._missed += 1
            if self._missed < _MOST_MISSED:
                return
            self.forget()
        self._known[key] = _pattern_of(event)

    def forget(self) -> None:
        """Start over: something that is in no key has changed."""
        self._known.clear()
        self._missed = 0


def of_values(*values: Any) -> Hashable:
    """Return the key of these values; None where one is of a type of which different ones may be equal.

    No object of the application is in a key, which would keep it alive: apps, tasks and actors come and go.
    """
    return values if _IN_KEYS.issuperset(map(type, values)) else None


def _pattern_of(event: PublishStarted | RunStarted) -> Pattern:
    job = event.job._replace(id=None, workflow_id=None, parent_id=None)
    if isinstance(event, RunStarted):
        return Pattern(event._replace(key=None, job=job, carrier={}, at_ns=0, received_ns=None, arguments=None))
    return Pattern(event._replace(key=None, job=job, carrier={}, at_ns=0, arguments=None))
