"""Publishes of which nothing is recorded, only propagated: an unsampled trace, or a context without an SDK.

What would be worked out for a span is not: only the context and jobspan's field are written.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from opentelemetry.trace import SpanContext

from jobspan import conventions as c
from jobspan.job_options import NOTHING, chosen_around
from jobspan.recording.context import message_field, propagation
from jobspan.recording.context.origin import Origin, origin_of
from jobspan.recording.context.otel_context import inside, span_in
from jobspan.recording.context.trace_limits import TraceLimiter
from jobspan.recording.registry.open_commands import open_commands
from jobspan.recording.spans.batch_spans import batch_of
from jobspan.recording.spans.program_command import suspended
from jobspan.recording.telemetry.instruments import Instruments


class UnsampledPublishes:
    """Decides for each publish, before more is known of it than its carrier."""

    def __init__(self, instruments: Instruments, trace_limiter: TraceLimiter) -> None:
        self._instruments = instruments
        self._trace_limiter = trace_limiter

    def publish(self, carrier: MutableMapping[str, Any], job_id: str | None, at_ns: int, queue: str | None) -> bool:
        """Let the first attempt of a job, due at once and published by no schedule, propagate what came to its caller.

        Args:
            carrier: what leaves with it.
            job_id: its id.
            at_ns: when the publish began.
            queue: where it is not the routing key.

        Returns:
            False: there is more to it, and nothing was done.
        """
        instruments, context = self._instruments, otel_context.get_current()
        caller = span_in(context).get_span_context()
        if not will_be_dropped(instruments, caller):
            return False
        if c.MEMBERS_FIELD in carrier or batch_of(context) is not None:
            return False
        if open_commands or suspended or chosen_around() is not NOTHING:
            return False
        origin = origin_of(context)
        if origin is not None and (origin.job_id in (None, job_id) or origin.options is not NOTHING):
            return False
        if caller.is_valid:
            verdict = self._trace_limiter.count(
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
            context, trace_started_ns = inside(span, context), at_ns
        propagation.write(carrier, context, _text(origin, at_ns, trace_started_ns, queue))
        return True


def will_be_dropped(instruments: Instruments, parent: SpanContext) -> bool:
    """Say whether what begins below a span is neither recorded nor counted, and the span is not sampled."""
    if parent.trace_flags & 1 and instruments.has_sdk:
        return False  # the SDK's own unsampled span would have to be made
    if not instruments.will_be_dropped(parent) or instruments.metrics.is_on:
        return False
    return bool(is_instrumentation_enabled())


def _text(origin: Origin | None, at_ns: int, trace_started_ns: int, queue: str | None) -> str:
    if origin is None:
        return message_field.simple(at_ns, 1, trace_started_ns, queue)
    cause = origin.command_id, origin.command_name, origin.job_id
    return message_field.simple(at_ns, 1 + origin.depth, trace_started_ns, queue, *cause)
