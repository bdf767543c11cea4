"""Events told by a pattern that would be told whole: the recorder must make the same of both."""

from __future__ import annotations

from typing import Any

from jobspan.events import PublishByPattern, PublishStarted, RunByPattern, RunStarted
from jobspan.instrumentors.job_patterns import Patterns
from jobspan.patterns import JobByPattern


def by_pattern(event: Any) -> Any:
    """Return an event told by the pattern of which it is the example itself."""
    if not isinstance(event, (PublishStarted, RunStarted)):
        return event
    patterns = Patterns()
    patterns.learn("it", event)
    pattern = patterns.find("it")
    assert pattern is not None
    job = JobByPattern(pattern, event.job.id, event.job.workflow_id, event.job.parent_id)
    told: PublishByPattern | RunByPattern
    if isinstance(event, RunStarted):
        told = RunByPattern(event.key, job, event.carrier, event.at_ns, event.received_ns, event.arguments)
    else:
        told = PublishByPattern(event.key, job, event.carrier, event.at_ns, event.arguments)
    assert told.whole() == event
    return told


class ByPattern:
    """A sink that tells another by patterns what it is told whole."""

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def __call__(self, event: Any) -> None:
        """Tell it."""
        self._sink(by_pattern(event))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)
