"""Jobs of which nothing is recorded, only passed on: an unsampled trace, or a context that came along without an SDK.

What would be worked out for a span is not. A publish writes the context and our field, and a run makes its message's
context current; where the job came from is worked out when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import SpanContext, get_current_span, set_span_in_context

from jobspan import conventions as c
from jobspan.job_options import NOTHING, JobOptions, chosen_around
from jobspan.jobs import Job
from jobspan.probes.run_cost import RunCost
from jobspan.recording import message_field, propagation
from jobspan.recording.batches import batch_of
from jobspan.recording.cut_over import CutOver
from jobspan.recording.idle import is_idle
from jobspan.recording.instruments import Instruments
from jobspan.recording.message_field import MessageField
from jobspan.recording.open_commands import open_commands
from jobspan.recording.origin import ORIGIN, Origin, origin_of
from jobspan.recording.propagation import Incoming
from jobspan.recording.run_spans import origin_of_run
from jobspan.recording.standing import aside
from jobspan.recording.unrecorded import Unrecorded

_NESTED = "child+link"
_ODD = frozenset("13579bdf")


class Passing:
    """Decides for each job, before more is known of it than its carrier."""

    def __init__(self, instruments: Instruments, cut_over: CutOver) -> None:
        self._instruments = instruments
        self._cut_over = cut_over
        self._is_nested = instruments.settings.relation == _NESTED

    def publish(self, carrier: MutableMapping[str, Any], job_id: str | None, at_ns: int, queue: str | None) -> bool:
        """Let the first attempt of a job, due at once and put by no schedule, pass on what came to its caller.

        Args:
            carrier: what leaves with it.
            job_id: its id.
            at_ns: when the publish began.
            queue: where it is not the routing key.

        Returns:
            False: there is more to it, and nothing was done.
        """
        instruments, context = self._instruments, otel_context.get_current()
        caller = get_current_span(context).get_span_context()
        if not self._is_unseen_below(caller):
            return False
        if c.MEMBERS_FIELD in carrier or batch_of(context) is not None:
            return False
        if open_commands or aside or chosen_around() is not NOTHING:
            return False
        origin = origin_of(context)
        if origin is not None and (origin.job_id in (None, job_id) or origin.options is not NOTHING):
            return False
        if caller.is_valid:
            verdict = self._cut_over.count(
                caller.trace_id,
                depth=origin.depth if origin is not None else 0,
                started_ns=origin.trace_started_ns if origin is not None else None,
                at_ns=at_ns,
            )
            if verdict.begins_trace:
                return False
            trace_started_ns = verdict.trace_started_ns
        else:
            span = instruments.unsampled_span()
            if span is None:
                return False
            context, trace_started_ns = set_span_in_context(span, context), at_ns
        propagation.write(carrier, context, _text(origin, at_ns, trace_started_ns, queue))
        return True

    def run(
        self,
        carrier: Mapping[str, Any],
        job: Callable[[], Job],
        options: JobOptions,
        at_ns: int,
        *,
        eager: bool = False,
    ) -> Unrecorded | None:
        """Return a run that nobody records, and that is to be begun; None: somebody might.

        Args:
            carrier: what came with it.
            job: tells what it is, if that is asked for.
            options: what stands on it.
            at_ns: when it began.
            eager: it has no message, and runs where it was called.
        """
        instruments = self._instruments
        if not instruments.has_sdk and is_idle(instruments, carrier):
            return Unrecorded(job)
        if eager or not self._is_nested or options is not NOTHING or message_field.decides(carrier.get(c.FIELD)):
            return None
        if instruments.has_sdk and _looks_sampled(carrier):
            return None  # more is to be done, and the context is read then
        context, publisher = propagation.read_context(carrier, Context())
        if not self._is_unseen_below(publisher):
            return None
        inside = context
        if not publisher.is_valid:
            span = instruments.unsampled_span()
            if span is None:
                return None
            inside = set_span_in_context(span, context)
        return PassedBy(job, carrier, Incoming(context, publisher, message_field.NOTHING), inside, at_ns)

    def _is_unseen_below(self, parent: SpanContext) -> bool:
        """Say whether what begins below a span is recorded and counted by nobody, and the span is not sampled."""
        instruments = self._instruments
        if not instruments.is_unseen_below(parent) or instruments.metrics.is_on:
            return False
        # Below a sampled one, the SDK's own unsampled span would have to be made.
        return not (parent.trace_flags & 1 and instruments.has_sdk) and bool(is_instrumentation_enabled())


class PassedBy(Unrecorded):
    """A run whose message's context is current, and where it came from if somebody asks."""

    __slots__ = ("_at_ns", "_carrier", "_cost", "_found", "_incoming", "_inside", "_outside", "_tell")

    def __init__(
        self, job: Callable[[], Job], carrier: Mapping[str, Any], incoming: Incoming, inside: Context, at_ns: int
    ) -> None:
        self._tell, self._carrier, self._incoming, self._at_ns = job, carrier, incoming, at_ns
        self._found: Origin | None = None
        self._cost = RunCost()
        self._outside, self._inside = otel_context.get_current(), inside

    def begin(self) -> None:
        """Make its message's context current."""
        # It counts among the runs that are open, and so in what is said of those beside it.
        self._cost.begin()
        otel_context.attach(otel_context.set_value(ORIGIN, self, self._inside))

    def end(self) -> None:
        """Make current again what was so before."""
        self._cost.end()
        otel_context.attach(self._outside)

    def origin(self) -> Origin:
        """Return what causes what the run does."""
        if self._found is None:
            incoming = self._incoming._replace(field=propagation.read_field(self._carrier))
            self._found = origin_of_run(self._tell(), incoming, _NESTED, self._at_ns)
        return self._found


def _looks_sampled(carrier: Mapping[str, Any]) -> bool:
    """Say whether a W3C context came along with the sampled flag set, which is the last bit of its last digit."""
    said = carrier.get("traceparent")
    return isinstance(said, str) and said[-1:] in _ODD


def _text(origin: Origin | None, at_ns: int, trace_started_ns: int, queue: str | None) -> str:
    if origin is None:
        return message_field.plain(at_ns, trace_started_ns, queue)
    return message_field.encode(
        MessageField(
            published_ms=at_ns // 1_000_000,
            command_id=origin.command_id,
            command_name=origin.command_name,
            parent_job_id=origin.job_id,
            depth=1 + origin.depth,
            trace_started_ms=trace_started_ns // 1_000_000,
            queue=queue,
        )
    )
