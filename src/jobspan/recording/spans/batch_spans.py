"""Batch events → batch spans around one call that publishes many jobs, and the span ids reserved for its members."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context, create_key
from opentelemetry.trace import Span, SpanKind, set_span_in_context

from jobspan import conventions as c
from jobspan.events import BatchFinished, BatchStarted
from jobspan.job_options import chosen_around
from jobspan.recording.attributes import job_attributes
from jobspan.recording.context import message_field
from jobspan.recording.context.message_field import MOST_MEMBERS, Members, MessageField
from jobspan.recording.context.origin import origin_of
from jobspan.recording.context.otel_context import span_in
from jobspan.recording.context.trace_limits import TraceLimiter
from jobspan.recording.registry.open_spans import OpenSpans
from jobspan.recording.sdk.reserved_ids import reserve_span_ids
from jobspan.recording.spans.command_spans import Commands
from jobspan.recording.telemetry.instruments import Instruments, say_once_that_nothing_records, set_error

_BATCH = create_key("jobspan-batch")


class Batch:
    """A call under way that publishes many jobs."""

    __slots__ = ("_promised", "count", "span", "token")

    def __init__(self, span: Span, promised_ids: list[int]) -> None:
        self.span = span
        self.count = 0
        self.token: Token[Context] | None = None
        self._promised = iter(promised_ids)

    def next_promised(self) -> int | None:
        """Return the span id that was promised for the next member; None when any will do."""
        return next(self._promised, None)


def batch_of(context: Context) -> Batch | None:
    """Return the batch that a publish belongs to directly, and not by way of a job run in between."""
    found = context.get(_BATCH)
    return found if isinstance(found, Batch) and span_in(context) is found.span else None


class Batches:
    """Writes batch spans: current while the call lasts, so that its publishes hang beneath."""

    def __init__(self, instruments: Instruments, commands: Commands, trace_limiter: TraceLimiter) -> None:
        self._instruments = instruments
        self._commands = commands
        self._trace_limiter = trace_limiter
        self._open: OpenSpans[Batch] = OpenSpans()

    def started(self, event: BatchStarted) -> None:
        """Open the span unless its trace is full, and give the waiting job the identities of those it waits for."""
        context = self._commands.caller(event.at_ns)
        untraced = self._untraced(event)
        if untraced is None:
            return
        trace_id = span_in(context).get_span_context().trace_id
        room = self._trace_limiter.remaining(trace_id)
        if room == 0:
            return
        span = self._instruments.tracer.start_span(
            f"publish batch {event.name}",
            context=context,
            kind=SpanKind.INTERNAL,
            attributes=job_attributes.of_batch(event.framework, event.broker, origin_of(context)),
            start_time=event.at_ns,
        )
        if not span.get_span_context().is_valid:
            say_once_that_nothing_records()
            return
        batch = Batch(span, self._promise(event, span, room, untraced))
        batch.token = otel_context.attach(otel_context.set_value(_BATCH, batch, set_span_in_context(span, context)))
        self._open.add(event.key, batch)

    def finished(self, event: BatchFinished) -> None:
        """Set how many jobs were published, and end the span."""
        batch = self._open.take(event.key)
        if batch is None:
            return
        try:
            attributes: dict[str, Any] = {c.MESSAGING_BATCH_MESSAGE_COUNT: batch.count}
            batch.span.set_attributes(attributes)
            if event.error is not None and batch.span.is_recording():
                text = self._instruments.exception_text(event.error)
                set_error(batch.span, text.type, text.message)
            batch.span.end(event.at_ns)
        finally:
            if batch.token is not None:
                otel_context.detach(batch.token)

    def _untraced(self, event: BatchStarted) -> int | None:
        """Return how many of the jobs get no spans; None when none of them does, and no batch either."""
        resolver, called = self._instruments.options, chosen_around()
        if called.trace is False:
            return None
        number = sum(not resolver.is_traced(called.over(options), name) for name, options in event.jobs)
        return None if event.jobs and number == len(event.jobs) and not event.omitted else number

    def _promise(self, event: BatchStarted, span: Span, room: int | None, untraced: int) -> list[int]:
        """Write on the waiting job whom it waits for: members by promised ids, else the batch that holds them."""
        if event.body is None:
            return []
        number = min((event.members or 0) - untraced, MOST_MEMBERS, MOST_MEMBERS if room is None else room)
        ids = reserve_span_ids(self._instruments.tracer, number)
        found = span.get_span_context()
        if ids:
            omitted = event.omitted + (event.members or 0) - len(ids)
            members = Members(f"{found.trace_id:032x}", tuple(f"{one:016x}" for one in ids), omitted)
        else:
            members = Members(f"{found.trace_id:032x}", (f"{found.span_id:016x}",))
        event.body[c.MEMBERS_FIELD] = message_field.encode(MessageField(members=members))
        return ids
