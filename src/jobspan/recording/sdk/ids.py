"""Trace and span ids from the operating system's randomness: a job that calls ``random.seed`` harms none.

The SDK draws its ids from the module-level generator of ``random``. A seeded job makes the ids of the seeded job before
it again, in its own and in every other worker. These are drawn in blocks, never used twice, not even after a fork.
"""

from __future__ import annotations

import os
import struct
from typing import Any

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, NoOpTracer, Span, SpanContext, TraceFlags, Tracer

from jobspan import forks

_BLOCK = struct.Struct("256Q")
# Since version 1.42 a trace whose id is random says so.
_RANDOM = TraceFlags(getattr(TraceFlags, "RANDOM_TRACE_ID", 0))


class OwnIds(IdGenerator):
    """Makes ids; for all threads of a process."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    def generate_span_id(self) -> int:
        """Return 64 random bits, never 0."""
        try:
            return self._numbers.pop()
        except IndexError:
            return self._refill()

    def generate_trace_id(self) -> int:
        """Return 128 random bits, never 0."""
        return self.generate_span_id() << 64 | self.generate_span_id()

    def is_trace_id_random(self) -> bool:
        """Say that all bits are random."""
        return True

    def forget(self) -> None:
        """Drop what is left of the block: after a fork it is the parent's."""
        self._numbers = []

    def _refill(self) -> int:
        numbers: tuple[int, ...] = _BLOCK.unpack(os.urandom(_BLOCK.size))
        first, *rest = filter(None, numbers)
        self._numbers.extend(rest)
        return first


OWN_IDS = OwnIds()

forks.join("ids", in_child=OWN_IDS.forget)


def give_to(tracer: Tracer) -> bool:
    """Give a tracer these ids in place of the SDK's own; False while it does not have a provider yet.

    A tracer belongs to one scope, so no other instrumentation's changes. A generator that the user set is left alone.
    """
    real: Any = getattr(tracer, "_tracer", tracer)  # the API's tracer of before a provider was set
    if isinstance(real, NoOpTracer):
        return real is tracer
    if type(getattr(real, "id_generator", None)) is RandomIdGenerator:
        real.id_generator = OWN_IDS
    return True


def unsampled_span(tracer: Tracer) -> Span:
    """Return a span of a new trace that is not sampled, with the flags that the SDK's would have."""
    generator: Any = getattr(getattr(tracer, "_tracer", tracer), "id_generator", OWN_IDS)
    trace_id, span_id = generator.generate_trace_id(), generator.generate_span_id()
    flags = _RANDOM if _RANDOM and generator.is_trace_id_random() else None
    return NonRecordingSpan(SpanContext(trace_id, span_id, is_remote=False, trace_flags=flags))
