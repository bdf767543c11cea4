"""How many runs are open now, each counted in one place that outlives it.

A run that is in a flight record is counted by the main process that watches its own: a process that is killed cannot
say that nothing runs any more. All others are counted by the process that runs them.
"""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.trace import Span, SpanKind

from jobspan import conventions as c
from jobspan import forks
from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.telemetry.series import Series, job_attributes

SUPERVISOR_COUNTS = "_JOBSPAN_SUPERVISOR_COUNTS"
"""Environment variable by which a worker's main process says to its children that it reports their open runs."""

_Key = tuple[tuple[str, Any], ...]


class OpenRun(Protocol):
    """A run under way in this process."""

    @property
    def span(self) -> Span:
        """Its span, perhaps none that is valid."""

    @property
    def series(self) -> Series | None:
        """Where it is counted; None: nothing collects."""


_tables: weakref.WeakSet[Any] = weakref.WeakSet()
_reported: dict[_Key, None] = {}
_in_children: list[Callable[[], Iterable[Any]]] = []


def report(table: Any) -> None:
    """Report the runs of a table of this process (``OpenSpans``)."""
    _tables.add(table)


def report_children(open_spans: Callable[[], Iterable[Any]]) -> None:
    """Report the runs among the open spans (``SpanRecord``) of the processes that this one watches."""
    _in_children[:] = [open_spans]
    os.environ[SUPERVISOR_COUNTS] = "1"


def observations(_: CallbackOptions) -> Iterable[Observation]:
    """Return the open runs that are this process's to report; 0 where there were some before."""
    found = Counter(_own()) + Counter(_childrens())
    _reported.update(dict.fromkeys(found))
    return [Observation(found[key], dict(key)) for key in _reported]


def _own() -> Iterable[_Key]:
    is_reported_above = SUPERVISOR_COUNTS in os.environ
    for table in list(_tables):
        for run in table.all():
            if run.series is not None and not (is_reported_above and flight_log.is_kept(run.span)):
                yield tuple(run.series.job.items())


def _childrens() -> Iterable[_Key]:
    for open_spans in _in_children:
        for span in open_spans():
            if span.kind == SpanKind.CONSUMER.value:
                yield tuple(of_record(span.attributes).items())


def of_record(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a job's measurements from those of its run's span."""
    return job_attributes(
        str(attributes.get(c.JOBSPAN_FRAMEWORK)),
        attributes.get(c.JOBSPAN_JOB_NAME),
        str(attributes.get(c.MESSAGING_DESTINATION_NAME)),
    )


def forget() -> None:
    """Begin anew after a fork: what its parent reports is the parent's."""
    _reported.clear()
    _in_children.clear()


forks.join("active runs", in_child=forget)
