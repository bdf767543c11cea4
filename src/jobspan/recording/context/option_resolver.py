"""What is wanted of one publish or run: the block around the call, then the job's own options, then the settings."""

from __future__ import annotations

from fnmatch import fnmatchcase

from jobspan.events import JobDropped, PublishStarted, RunLost, RunStarted
from jobspan.job_options import NOTHING, JobOptions, chosen_around
from jobspan.recording.context.message_field import MessageField
from jobspan.recording.context.origin import Origin
from jobspan.settings import Settings

_MOST_NAMES = 2048


class OptionResolver:
    """Reads the options of publishes and runs."""

    def __init__(self, settings: Settings) -> None:
        self._excluded = settings.excluded_jobs
        self._relation = settings.relation
        self._known: dict[str | None, bool] = {None: False}

    def for_publish(self, event: PublishStarted, origin: Origin | None) -> JobOptions:
        """Return what travels with a publish: the block's choice; with a retry, what its first publish was given."""
        chosen = chosen_around()
        if origin is not None and origin.options is not NOTHING and origin.job_id == event.job.id:
            return chosen.over(origin.options)
        return chosen

    def for_run(self, event: RunStarted | RunLost | JobDropped, field: MessageField) -> JobOptions:
        """Return what is wanted of a run: what its caller chose, else the options of the job."""
        given = field.options
        if isinstance(event, RunStarted) and event.eager:
            given = chosen_around()
        return given.over(event.options)

    def is_traced(self, chosen: JobOptions, name: str | None) -> bool:
        """Say whether a job gets spans."""
        if chosen.trace is False:
            return False
        return not self._excluded or not self._is_excluded(name)

    def relation(self, chosen: JobOptions) -> str:
        """Return how a run span relates to its publish span."""
        return chosen.relation or self._relation

    def _is_excluded(self, name: str | None) -> bool:
        found = self._known.get(name)
        if found is None:
            if len(self._known) >= _MOST_NAMES:
                self._known = {None: False}
            found = self._known[name] = any(fnmatchcase(name or "", pattern) for pattern in self._excluded)
        return found
