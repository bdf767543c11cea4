"""Attributes that go onto a span of the SDK as they are: what comes out is what the API would have made of them."""

from __future__ import annotations

from copy import deepcopy
from threading import Thread
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_ON,
    DEFAULT_ON,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind

from jobspan.recording.sdk.span_start import SpanStarter, add, add_link
from unit.recording.samplers import Watching

PLAIN = {"text": "receipt", "number": 3, "share": 0.5, "is": True}
ODD: dict[str, Any] = {"names": ["a", "b"], "raw": b"\x01", "nothing": None, "thing": object, "": "no name"}
AGAIN = {"number": 4, "later": "yes"}


class Looking(SpanProcessor):
    """Looks at each span that begins."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        self.seen.append(dict(span.attributes))


def begun(tracer: Any, said: dict[str, Any], name: str = "a", beginnings: SpanStarter | None = None) -> Span:
    """Return a span that begins with these attributes, as ours do."""
    ours = beginnings or SpanStarter()
    span, _ = ours.start_span(tracer, name, Context(), SpanKind.CONSUMER, 1, lambda: (said, (), None))
    return span


def told(
    said: list[dict[str, Any]], *, by_the_api: bool, limits: SpanLimits | None = None, sampler: Sampler = DEFAULT_ON
) -> tuple[list[tuple[str, Any]], int]:
    """Return the attributes of a span that begins with the first and gets the others, in order, and those dropped."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("jobspan")
    first, *others = said
    if by_the_api:
        span = tracer.start_span("run a", Context(), SpanKind.CONSUMER, first, (), 1)
    else:
        span = begun(tracer, first, "run a")
    for each in others:
        if by_the_api:
            span.set_attributes(each)
        else:
            add(span, each)
    span.end(2)
    (found,) = exporter.get_finished_spans()
    assert found.attributes is not None
    return list(found.attributes.items()), found.dropped_attributes


@pytest.mark.parametrize(
    "said",
    [[PLAIN], [PLAIN, {"more": 1}], [{}, PLAIN], [ODD], [PLAIN, ODD], [PLAIN, AGAIN], [PLAIN, AGAIN, PLAIN]],
    ids=["plain", "more", "later", "odd", "odd later", "again", "again and again"],
)
@pytest.mark.parametrize(
    "limits",
    [None, SpanLimits(max_span_attributes=3), SpanLimits(max_span_attributes=0), SpanLimits(max_attribute_length=4)],
    ids=["no limits", "three", "none", "short"],
)
def test_a_span_says_what_the_api_would_have_it_say(said: list[dict[str, Any]], limits: SpanLimits | None) -> None:
    assert told(said, by_the_api=False, limits=limits) == told(said, by_the_api=True, limits=limits)


@pytest.mark.parametrize(
    "sampler",
    [ALWAYS_ON, DEFAULT_ON, TraceIdRatioBased(1.0), ParentBasedTraceIdRatio(1.0), ParentBased(TraceIdRatioBased(1.0))],
)
def test_below_the_samplers_of_the_sdk_nobody_looks_at_plain_attributes(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []
    _note_what_is_looked_at(monkeypatch, looked)

    assert told([PLAIN, {"more": 1}], by_the_api=False, sampler=sampler) == ([*PLAIN.items(), ("more", 1)], 0)

    assert looked == []
    assert told([PLAIN], by_the_api=True, sampler=sampler) == (list(PLAIN.items()), 0)
    assert looked, "that is not what the SDK looks at attributes with"


def test_a_sampler_of_the_users_sees_what_a_span_begins_with() -> None:
    alone, within = Watching(Decision.RECORD_AND_SAMPLE), Watching(Decision.RECORD_AND_SAMPLE)

    for sampler in (alone, ParentBased(within)):
        told([PLAIN], by_the_api=False, sampler=sampler)

    assert alone.seen == within.seen == [("run a", PLAIN, 0)]


def test_a_processor_of_the_users_sees_what_a_span_begins_with_also_when_it_comes_late() -> None:
    provider, beginnings, looking = TracerProvider(shutdown_on_exit=False), SpanStarter(), Looking()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    tracer = provider.get_tracer("jobspan")

    begun(tracer, PLAIN, "a", beginnings).end()
    provider.add_span_processor(looking)
    begun(tracer, PLAIN, "b", beginnings).end()
    provider.shutdown()

    assert looking.seen == [PLAIN]


class LookingForAll(SynchronousMultiSpanProcessor):
    """Looks at each span that begins, before it is shown to those behind it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the SDK's has no types
        self.looking = Looking()

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        self.looking.on_start(span)
        super().on_start(span, parent_context)


def test_a_processor_of_the_users_around_all_others_sees_what_a_span_begins_with() -> None:
    multi = LookingForAll()
    provider = TracerProvider(active_span_processor=multi, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))

    begun(provider.get_tracer("jobspan"), PLAIN)

    assert multi.looking.seen == [PLAIN]


def test_a_processor_of_the_sdk_that_was_given_another_on_start_sees_what_a_span_begins_with() -> None:
    provider, looking = TracerProvider(shutdown_on_exit=False), Looking()
    processor = SimpleSpanProcessor(InMemorySpanExporter())
    processor.on_start = looking.on_start  # type: ignore[method-assign]  # as Traceloop's SDK does
    provider.add_span_processor(processor)

    begun(provider.get_tracer("jobspan"), PLAIN)

    assert looking.seen == [PLAIN]


class Around:
    """Stands around something, and has all that it has."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class Masked(Around):
    """A span of the SDK in somebody else's, who lets nothing through that is not masked."""

    def set_attribute(self, key: str, value: Any) -> None:
        self._wrapped.set_attribute(key, "***")

    def set_attributes(self, attributes: Any) -> None:
        for key in attributes:
            self.set_attribute(key, None)


class Masking(Around):
    """A tracer of the SDK in somebody else's, as some vendors' providers give it."""

    def start_span(self, name: str, context: Any = None, kind: Any = None, attributes: Any = None, *more: Any) -> Any:
        begun = self._wrapped.start_span(name, context, kind, dict.fromkeys(attributes or (), "***"), *more)
        return Masked(begun)


class Keeping:
    """A tracer that keeps the SDK's under the name that the API's proxy has for it."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = Masking(tracer)
        self.start_span = self._tracer.start_span


@pytest.mark.parametrize("around", [Masking, Keeping])
def test_what_stands_around_the_sdks_tracer_and_spans_sees_all_that_is_said(around: Any) -> None:
    exporter, provider, beginnings = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False), SpanStarter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = around(provider.get_tracer("jobspan"))

    span = begun(tracer, {"first": 1}, "run a", beginnings)
    add(span, {"then": 2})
    span.end(2)

    assert beginnings.needs_attributes_at_start(tracer)
    (found,) = exporter.get_finished_spans()
    assert dict(found.attributes or {}) == {"first": "***", "then": "***"}


def test_what_was_given_is_not_the_spans_own() -> None:
    provider, given = TracerProvider(shutdown_on_exit=False), dict(PLAIN)
    span: Any = begun(provider.get_tracer("j"), given)

    given["text"] = "changed"
    span.set_attribute("own", 1)

    assert (span.attributes["text"], "own" in given) == ("receipt", False)


def _note_what_is_looked_at(monkeypatch: pytest.MonkeyPatch, looked: list[Any]) -> None:
    """Note what is set on a span's attributes in the way of the SDK: all at once, or one after the other."""
    from opentelemetry.attributes import BoundedAttributes

    for name in ("_set_items", "__setitem__"):
        original = getattr(BoundedAttributes, name, None)
        if original is None:
            continue

        def noting(kept: Any, *args: Any, original: Any = original) -> None:
            if args[0] in (PLAIN, {"more": 1}, *PLAIN, "more"):  # a resource's are looked at too
                looked.append(args[0])
            original(kept, *args)

        monkeypatch.setattr(BoundedAttributes, name, noting)


@pytest.mark.parametrize(
    "limits",
    [
        None,
        SpanLimits(max_links=1),
        SpanLimits(max_links=0),
        SpanLimits(max_link_attributes=0),
        SpanLimits(max_attribute_length=3),
    ],
    ids=["no limits", "one", "none", "no attributes", "short"],
)
def test_a_link_is_what_the_api_would_have_made_of_it(limits: SpanLimits | None) -> None:
    def links(*, by_the_api: bool) -> list[Any]:
        provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
        span: Any = provider.get_tracer("jobspan").start_span("run a", Context())
        for number in (1, 2):
            said = {"jobspan.link.type": "publish"}
            to = SpanContext(number, number, is_remote=True)
            if by_the_api:
                span.add_link(to, said)
            else:
                add_link(span, Link(to, said))
        dropped = span.dropped_links
        return [dropped, *((each.context, dict(each.attributes), each.dropped_attributes) for each in span.links)]

    assert links(by_the_api=False) == links(by_the_api=True)


def test_a_links_attributes_are_read_and_copied_whoever_was_stopped_in_the_midst_of_it() -> None:
    """Links of a kind share them: after a fork, or in a thread cut short, all later spans would wait for that lock."""
    provider = TracerProvider(shutdown_on_exit=False)
    span: Any = provider.get_tracer("jobspan").start_span("run a", Context())
    add_link(span, Link(SpanContext(1, 1, is_remote=True), {"jobspan.link.type": "publish"}))
    (link,) = span.links
    stopped = Thread(target=link.attributes._lock.__enter__)
    stopped.start()
    stopped.join()
    read: list[Any] = []

    reader = Thread(target=lambda: read.extend((dict(link.attributes), dict(deepcopy(link.attributes)))), daemon=True)
    reader.start()
    reader.join(10)

    assert read == [{"jobspan.link.type": "publish"}] * 2


def test_links_and_attributes_also_go_on_spans_that_are_not_the_sdks() -> None:
    class Other(NonRecordingSpan):
        def __init__(self) -> None:
            super().__init__(SpanContext(1, 1, is_remote=False))
            self.told: list[Any] = []

        def set_attributes(self, attributes: Any) -> None:
            self.told.append(attributes)

        def add_link(self, context: SpanContext, attributes: Any = None) -> None:
            self.told.append((context, attributes))

    span, to = Other(), SpanContext(2, 2, is_remote=True)

    add(span, PLAIN)
    add_link(span, Link(to, {"kind": "publish"}))

    assert span.told == [PLAIN, (to, {"kind": "publish"})]
