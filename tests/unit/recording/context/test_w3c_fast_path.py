"""The short way for a ``traceparent`` alone: what it reads and writes is what the default propagators do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from jobspan import conventions as c
from jobspan.recording.context import propagation, w3c_fast_path

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
SHORT: dict[str, dict[str, Any]] = {
    "sampled": {"traceparent": PARENT},
    "not sampled": {"traceparent": f"00-{TRACE}-{SPAN}-00"},
    "random": {"traceparent": f"00-{TRACE}-{SPAN}-03"},
    "all flags": {"traceparent": f"00-{TRACE}-{SPAN}-ff"},
    "nothing": {},
    "none": {"traceparent": None},
}
LONG: dict[str, dict[str, Any]] = {
    "state": {"traceparent": PARENT, "tracestate": "a=1,b=2"},
    "empty state": {"traceparent": PARENT, "tracestate": ""},
    "baggage": {"traceparent": PARENT, "baggage": "user=4711"},
    "baggage alone": {"baggage": "user=4711"},
    "upper case": {"traceparent": PARENT.upper()},
    "no trace": {"traceparent": f"00-{'0' * 32}-{SPAN}-01"},
    "no span": {"traceparent": f"00-{TRACE}-{'0' * 16}-01"},
    "white space": {"traceparent": f" {PARENT}\t"},
    "line": {"traceparent": f"{PARENT}\n"},
    "later version": {"traceparent": f"01-{TRACE}-{SPAN}-01-more"},
    "no version": {"traceparent": f"ff-{TRACE}-{SPAN}-01"},
    "more": {"traceparent": f"{PARENT}-more"},
    "other digits": {"traceparent": PARENT.replace("0af", "\u0660af")},
    "bytes": {"traceparent": PARENT.encode()},
    "list": {"traceparent": [PARENT]},
    "empty": {"traceparent": ""},
}
BASE = baggage.set_baggage("kept", "yes", Context())


def span(**more: Any) -> NonRecordingSpan:
    given: dict[str, Any] = {"is_remote": False, "trace_flags": TraceFlags(1), **more}
    return NonRecordingSpan(SpanContext(int(TRACE, 16), int(SPAN, 16), **given))


CONTEXTS = {
    "sampled": (set_span_in_context(span(), Context()), True),
    "not sampled": (set_span_in_context(span(trace_flags=TraceFlags(0)), Context()), True),
    "all flags": (set_span_in_context(span(trace_flags=TraceFlags(255)), Context()), True),
    "state": (set_span_in_context(span(trace_state=TraceState([("a", "1")])), Context()), False),
    "baggage": (baggage.set_baggage("user", "4711", set_span_in_context(span(), Context())), False),
    "nobody": (Context(), False),
    "invalid": (set_span_in_context(INVALID_SPAN, Context()), False),
}


@pytest.fixture(autouse=True)
def default_propagators() -> None:
    assert w3c_fast_path.is_default(propagate.get_global_textmap())


def found_in(context: Context) -> tuple[Any, ...]:
    said = get_current_span(context).get_span_context()
    state = dict(said.trace_state.items())
    return said, said.is_remote, said.trace_flags, state, dict(baggage.get_all(context)), set(context)


@pytest.mark.parametrize("carrier", [*SHORT.values(), *LONG.values()], ids=[*SHORT, *LONG])
@pytest.mark.parametrize("base", [Context(), BASE], ids=["on nothing", "on baggage"])
def test_a_message_is_read_as_the_propagators_read_it(carrier: dict[str, Any], base: Context) -> None:
    theirs = propagate.extract(carrier, base, propagation._GETTER)

    assert found_in(propagation.read(carrier, base).context) == found_in(theirs)


@pytest.mark.parametrize("carrier", SHORT.values(), ids=SHORT)
def test_a_traceparent_alone_goes_the_short_way(carrier: dict[str, Any]) -> None:
    assert w3c_fast_path.extracted(carrier, Context()) is not None


@pytest.mark.parametrize("carrier", LONG.values(), ids=LONG)
def test_all_else_is_left_to_the_propagators(carrier: dict[str, Any]) -> None:
    assert w3c_fast_path.extracted(carrier, Context()) is None


@pytest.mark.parametrize(("context", "is_short"), CONTEXTS.values(), ids=CONTEXTS)
def test_a_message_is_written_as_the_propagators_write_it(context: Context, is_short: bool) -> None:
    left = {"traceparent": "old", "tracestate": "old=1", "baggage": "old=1", c.FIELD: "1;t=0"}
    ours: dict[str, Any] = {**left, "mine": 1}
    theirs: dict[str, Any] = {"mine": 1}

    propagation.write(ours, context, "1;t=1")
    propagate.inject(theirs, context)

    assert ours == {**theirs, c.FIELD: "1;t=1"}
    assert w3c_fast_path.injected({}, context) is is_short


@pytest.mark.parametrize(
    "propagator",
    [
        TraceContextTextMapPropagator(),
        CompositePropagator([TraceContextTextMapPropagator()]),
        CompositePropagator([W3CBaggagePropagator(), TraceContextTextMapPropagator()]),
        type("Own", (CompositePropagator,), {})([TraceContextTextMapPropagator(), W3CBaggagePropagator()]),
    ],
    ids=["alone", "no baggage", "other order", "own"],
)
def test_only_the_default_is_known(propagator: Any) -> None:
    assert not w3c_fast_path.is_default(propagator)


def test_a_propagator_that_is_no_key_of_a_table_is_asked_like_any_other() -> None:
    @dataclass
    class Own(TraceContextTextMapPropagator):
        name: str

    propagate.set_global_textmap(Own("mine"))
    try:
        carrier: dict[str, Any] = {}
        propagation.write(carrier, CONTEXTS["sampled"][0], "1;t=1")
        assert carrier["traceparent"] == PARENT
        assert propagation.read(carrier, Context()).publisher.span_id == int(SPAN, 16)
    finally:
        propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
