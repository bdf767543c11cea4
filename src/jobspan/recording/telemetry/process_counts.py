"""What a process counts of jobs that it did not run itself: lost, cut off, dropped. Reported when it is asked for.

A worker's main process counts here: values of synchronous instruments would be handed to the children that it forks.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from threading import RLock
from typing import Any

from opentelemetry.metrics import CallbackOptions, Observation

from jobspan import conventions as c
from jobspan import forks

_Key = tuple[tuple[str, Any], ...]
COUNTED = (c.METRIC_JOB_LOST, c.METRIC_JOB_CUT_OFF, c.METRIC_JOB_DROPPED)

_counts: dict[str, dict[_Key, int]] = {metric: {} for metric in COUNTED}
# A signal handler of the host may count in the midst of a count.
_lock = RLock()


def count(metric: str, attributes: dict[str, Any]) -> None:
    """Count one job."""
    key = tuple(attributes.items())
    with _lock:
        _counts[metric][key] = _counts[metric].get(key, 0) + 1


def observations(metric: str, _: CallbackOptions) -> Iterable[Observation]:
    """Return what this process has counted; nothing of what its parent had before a fork."""
    with _lock:
        return [Observation(number, dict(key)) for key, number in _counts[metric].items()]


def observer(metric: str) -> Any:
    """Return the callback of a metric."""
    return partial(observations, metric)


def forget() -> None:
    """Count from zero: what its parent counted before a fork is the parent's to report."""
    global _lock  # noqa: PLW0603 - the parent's lock may have been held at the fork
    _lock = RLock()
    for counted in _counts.values():
        counted.clear()


forks.join("process counts", in_child=forget)
