"""Runs of which nothing is recorded: their message's context, from ``unsampled_publishes``, becomes current.

Where the job came from is worked out when it is first read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import ref

from opentelemetry.context import Context, attach, get_current

from jobspan import conventions as c
from jobspan.job_options import NESTED, NOTHING, JobOptions
from jobspan.jobs import Job
from jobspan.probes.run_cost import RunCost
from jobspan.recording.context import message_field, otel_context, propagation
from jobspan.recording.context.origin import ORIGIN, UNKNOWN, Origin
from jobspan.recording.context.propagation import Incoming
from jobspan.recording.context.run_origin import origin_of_run
from jobspan.recording.registry.unrecorded_run import UnrecordedRun
from jobspan.recording.telemetry.instruments import Instruments
from jobspan.recording.unsampled.idle import is_idle
from jobspan.recording.unsampled.unsampled_publishes import will_be_dropped


class UnsampledRuns:
    """Decides for each run, before more is known of it than its carrier."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._is_nested = instruments.settings.relation == NESTED

    def run(
        self,
        carrier: Mapping[str, Any],
        job: Callable[[], Job],
        options: JobOptions,
        at_ns: int,
        *,
        eager: bool = False,
    ) -> UnrecordedRun | None:
        """Return a run that is not recorded, and that is to be begun; None: it might be.

        Args:
            carrier: what came with it.
            job: makes it, if that is needed.
            options: its own options.
            at_ns: when it began.
            eager: it has no message, and runs where it was called.
        """
        instruments = self._instruments
        if not instruments.has_sdk and is_idle(instruments, carrier):
            return UnrecordedRun(job)
        if eager or not self._is_nested or options is not NOTHING or message_field.decides(carrier.get(c.FIELD)):
            return None
        found = propagation.peek(carrier, Context())
        if found is None:
            return None
        context, publisher = found
        if not will_be_dropped(instruments, publisher):
            return None
        inside = context
        if not publisher.is_valid:
            span = instruments.unsampled_span()
            if span is None:
                return None
            inside = otel_context.inside(span, context)
        return UnsampledRun(job, carrier, Incoming(context, publisher, message_field.NOTHING), inside, at_ns)


class UnsampledRun(UnrecordedRun):
    """A run whose message's context is current, and where it came from if that is read.

    That context may outlive the run, in a thread that the job starts: then it is worked out at the end, so that nothing
    keeps what the job was called with.
    """

    __slots__ = ("_around", "_cost", "_found", "_given", "_inside", "_outside")

    def __init__(
        self, job: Callable[[], Job], carrier: Mapping[str, Any], incoming: Incoming, inside: Context, at_ns: int
    ) -> None:
        self._given: tuple[Callable[[], Job], Mapping[str, Any], Incoming, int] | None = job, carrier, incoming, at_ns
        self._found: Origin | None = None
        self._around: Callable[[], Context | None] = _nothing
        self._cost = RunCost()
        self._outside, self._inside = get_current(), inside

    def begin(self) -> None:
        """Make its message's context current."""
        # It counts among the runs that are open, and so in the concurrency of those beside it.
        self._cost.begin()
        inside = otel_context.with_value(self._inside, ORIGIN, self)
        self._around = ref(inside)
        attach(inside)

    def end(self) -> None:
        """Make current again what was so before."""
        self._cost.end()
        attach(self._outside)
        try:
            if self._around() is not None:
                self.origin()
        finally:
            self._given = None

    def origin(self) -> Origin:
        """Return what causes what the run does."""
        given = self._given
        if self._found is None and given is not None:
            job, carrier, incoming, at_ns = given
            incoming = incoming._replace(field=propagation.read_field(carrier))
            self._found = origin_of_run(job(), incoming, NESTED, at_ns)
        return self._found or UNKNOWN


def _nothing() -> None:
    """Return what is current of a run that has not begun."""
