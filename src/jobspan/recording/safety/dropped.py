"""What jobspan could not record or had to ignore: counted by reason, logged once per reason, never raised."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import RLock

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from jobspan import conventions as c
from jobspan import forks

_logger = logging.getLogger("jobspan.dropped")
_counts: dict[str, int] = {}
# A signal handler of the host may count in the midst of a count.
_lock = RLock()

HOOK_ERROR = "hook_error"
UNREADABLE_CONTEXT = "unreadable_context"
UNREADABLE_FIELD = "unreadable_field"
UNPRINTABLE_ARGUMENTS = "unprintable_arguments"
TABLE_FULL = "table_full"
FLIGHT_FULL = "flight_full"
FLIGHT_UNREADABLE = "flight_unreadable"


def count(reason: str, detail: str, *, error: BaseException | None = None) -> None:
    """Count one event under ``reason``; the first of a reason in a process is logged with its detail."""
    with _lock:
        first = reason not in _counts
        _counts[reason] = _counts.get(reason, 0) + 1
    if first:
        _logger.warning("%s: %s (further ones are only counted)", reason, detail, exc_info=error)


def counts() -> dict[str, int]:
    """Return how many events of each reason this process has counted."""
    with _lock:
        return dict(_counts)


def observe_with(meter: Meter) -> None:
    """Report the counts of this process through a meter."""
    meter.create_observable_counter(
        c.METRIC_TELEMETRY_DROPPED,
        callbacks=[_observations],
        unit="{event}",
        description="what jobspan itself could not record, or had to ignore",
    )


def _observations(_: CallbackOptions) -> Iterable[Observation]:
    return [Observation(number, {c.REASON: reason}) for reason, number in counts().items()]


def forget() -> None:
    """Count from zero: what its parent counted before a fork is the parent's to report."""
    global _lock  # noqa: PLW0603 - the parent's lock may have been held at the fork
    _lock = RLock()
    _counts.clear()


def _count_failed_step(error: BaseException) -> None:
    count(HOOK_ERROR, "a step around a fork failed", error=error)


forks.join("dropped counts", in_child=forget)
forks.report_errors_to(_count_failed_step)
