"""Our attributes and links onto a span of the SDK as they are: to look at each is a good part of its work with a span.

Only where the difference cannot be seen: no sampler or processor of another library looks at a span that begins, no
value needs cleaning, and no limit is near. All other spans get theirs by the API.
"""

# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, NoOpTracer, ProxyTracer, Span, SpanKind, Tracer

from jobspan.recording.sdk.sampling import is_blind

_TRACE = "opentelemetry.sdk.trace"
_EXPORT = "opentelemetry.sdk.trace.export"
_PROCESSORS = frozenset({"BatchSpanProcessor", "SimpleSpanProcessor"})
_MULTI_PROCESSORS = frozenset({"SynchronousMultiSpanProcessor", "ConcurrentMultiSpanProcessor"})
_CLEAN = frozenset({str, int, float, bool})


SpanStart = tuple[dict[str, Any], Sequence[Link], Any]
"""What a span begins with: attributes, links, and what its writer keeps for later."""


class SpanStarter:
    """Begins the spans of one tracer; looked up once is whether a sampler or processor looks at them as they begin."""

    def __init__(self) -> None:
        self._sampler: object = None
        self._processors: object = None
        self._are_seen = True

    def start_span(
        self,
        tracer: Tracer,
        name: str,
        context: Context,
        kind: SpanKind,
        at_ns: int,
        describe: Callable[[], SpanStart],
        *,
        is_described: bool = False,
    ) -> tuple[Span, SpanStart | None]:
        """Start a span; described first where a sampler or processor looks at that, else once it is known to record.

        Args:
            describe: returns what the span begins with.
            is_described: what it returns is needed whether it records or not.

        Returns:
            The span and what it begins with; None where that is not needed.
        """
        if self.needs_attributes_at_start(tracer):
            start = describe()
            return tracer.start_span(name, context, kind, start[0], start[1], at_ns), start
        span = tracer.start_span(name, context, kind, None, (), at_ns)
        is_recorded = span.is_recording()
        if not is_recorded and not is_described:
            return span, None
        start = describe()
        if is_recorded:
            add(span, start[0])
            for link in start[1]:
                add_link(span, link)
        return span, start

    def needs_attributes_at_start(self, tracer: Tracer) -> bool:
        """Say whether a span needs its attributes when it begins; else they may be set once it is known to record."""
        # The API's tracer of before a provider was set wraps the real one.
        real: Any = tracer._tracer if type(tracer) is ProxyTracer else tracer
        try:
            sampler, multi = real.sampler, real.span_processor
            processors = multi._span_processors
        except AttributeError:  # not the SDK's
            return not isinstance(real, NoOpTracer)
        if sampler is not self._sampler or processors is not self._processors:
            is_known = type(real).__module__ == _TRACE and _is_as_made(multi, _TRACE, _MULTI_PROCESSORS)
            self._are_seen = not (is_known and is_blind(sampler) and _are_blind(processors))
            self._sampler, self._processors = sampler, processors
        return self._are_seen


def add(span: Any, attributes: dict[str, Any]) -> None:
    """Set attributes on a span that records."""
    try:
        kept = span._attributes
        there: Any = kept._dict
    except AttributeError:  # not the SDK's
        span.set_attributes(attributes)
        return
    if (
        type(span).__module__ == _TRACE  # a wrapper may change what it is given
        and kept.max_value_len is None
        and (kept.maxlen is None or len(there) + len(attributes) <= kept.maxlen)
        and _CLEAN.issuperset(map(type, attributes.values()))
        # One that is set again goes behind all others, and whoever reads the record of a span in flight relies on it.
        and there.keys().isdisjoint(attributes)
    ):
        there.update(attributes)  # in one step: an interrupt that lands here leaves no lock held
    else:
        span.set_attributes(attributes)


def add_link(span: Any, link: Link) -> None:
    """Add a link, with attributes of which there are few different ones, to a span that no processor has seen begin."""
    attributes = link.attributes or {}
    try:
        there, limits = span._links._dq, span._limits
        most, longest = limits.max_link_attributes, limits.max_attribute_length
        has_room = there.maxlen is None or len(there) < there.maxlen
    except AttributeError:  # not the SDK's
        has_room, most, longest = False, None, None
    if has_room and longest is None and (most is None or len(attributes) <= most):
        link._attributes = _bounded(*attributes.items())
        there.append(link)
    else:
        span.add_link(link.context, attributes)


@lru_cache(maxsize=16)
def _bounded(*items: tuple[str, Any]) -> Any:
    """Return attributes as the SDK keeps a link's: nothing changes them, so one will do for all links of a kind."""
    from opentelemetry.attributes import BoundedAttributes

    kept: Any = BoundedAttributes(attributes=dict(items), immutable=True)
    # Older SDKs lock to read: a fork, or an interrupt, in the midst of that would stop all who read it afterwards.
    kept._lock = nullcontext()
    return kept


def _are_blind(processors: Any) -> bool:
    """Say whether no processor looks at a span that begins: the SDK's own that export do not."""
    return all(_is_as_made(each, _EXPORT, _PROCESSORS) for each in processors)


def _is_as_made(processor: Any, module: str, names: frozenset[str]) -> bool:
    """Say whether a processor is one of the SDK's, with its own ``on_start``: some vendors replace it."""
    kind = type(processor)
    return kind.__module__ == module and kind.__name__ in names and "on_start" not in vars(processor)
