"""Any span survives the store, the file and the wire: property tests over whole spans."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from backends.kept_store import Kept
from backends.otlp_requests import pairs, span_message, spans_in, traces
from jobspan import conventions as c
from jobspan.backends import json_codec
from jobspan.backends.base import Match, RunFilter
from jobspan.backends.store.schema import PROMOTED
from jobspan.backends.values import attributes_from_text, attributes_to_text
from jobspan.runs import is_run, run_from_span

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(1 - 2**63, 2**63 - 1),
    st.floats(allow_nan=False),
    _text,
    st.binary(max_size=5),
)
_keys = st.one_of(_text, st.sampled_from(["$bytes", "$map", "$double", *(promoted.attribute for promoted in PROMOTED)]))
_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=5,
)
_attributes = st.dictionaries(_keys, _values, max_size=6)
_times = st.integers(0, 2**63 - 1)
_ids = st.integers(1, 2**64 - 1).map(lambda number: number.to_bytes(8, "big"))
_trace_ids = st.integers(1, 2**128 - 1).map(lambda number: number.to_bytes(16, "big"))


@st.composite
def _links(draw: st.DrawFn, trace_id: bytes, parent_id: bytes) -> SpanMessage.Link:
    return SpanMessage.Link(
        trace_id=draw(st.sampled_from([trace_id, b""]) | _trace_ids),
        span_id=draw(st.sampled_from([parent_id, b""]) | _ids),
        attributes=pairs(draw(_attributes)),
    )


@st.composite
def _spans(draw: st.DrawFn) -> SpanMessage:
    start, end = sorted((draw(_times), draw(_times)))
    trace_id, parent_id = draw(_trace_ids), draw(st.just(b"") | _ids)
    events = draw(st.lists(st.tuples(_text, _times, _attributes), max_size=2))
    return span_message(
        draw(_attributes),
        trace_id=trace_id,
        span_id=draw(_ids),
        parent_span_id=parent_id,
        name=draw(_text),
        kind=draw(st.integers(0, 5)),
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        status=Status(code=draw(st.sampled_from(list(Status.StatusCode.values()))), message=draw(_text)),
        links=draw(st.lists(_links(trace_id, parent_id), max_size=2)),
        events=[SpanMessage.Event(name=n, time_unix_nano=at, attributes=pairs(rest)) for n, at, rest in events],
    )


def _exact(value: Any) -> str:
    """Return a text that tells 1, 1.0 and True apart, which ``==`` does not, and no order of keys."""
    if is_dataclass(value):
        return _exact({each.name: getattr(value, each.name) for each in fields(value)})
    if isinstance(value, Mapping):
        return str(sorted((key, _exact(item)) for key, item in value.items()))
    if isinstance(value, tuple):
        return str(tuple(map(_exact, value)))
    return repr(value)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A store that all examples fill."""
    kept = Kept(tmp_path_factory.mktemp("values") / "kept.duckdb")
    yield kept
    kept.store.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spans=st.lists(_spans(), min_size=1, max_size=6), resource=_attributes)
def test_any_span_is_told_as_it_was_sent(one_store: Kept, spans: list[SpanMessage], resource: dict[str, Any]) -> None:
    for number, span in enumerate(spans):
        span.name += f" {one_store.store.count_spans() + number}"  # never sent before
    request = traces(*spans, resource=resource)
    one_store.keep(request)
    for sent in spans_in(request):
        told = one_store.reader.story(Match("trace", sent.trace_id))
        over_the_wire = [
            json_codec.span_from_json(json.loads(json.dumps(json_codec.span_to_json(span)))) for span in told
        ]
        assert _exact(sent) in [_exact(span) for span in told]
        assert [_exact(span) for span in over_the_wire] == [_exact(span) for span in told]
    kept_before = one_store.store.count_spans()
    one_store.keep(request)
    assert one_store.store.count_spans() == kept_before


@given(_attributes)
def test_any_attributes_survive_as_text(attributes: dict[str, Any]) -> None:
    assert _exact(attributes_from_text(attributes_to_text(attributes))) == _exact(attributes)


def test_the_floats_that_json_lacks_survive(kept: Kept) -> None:
    attributes = {"a": math.nan, c.JOBSPAN_JOB_CPU_TIME: math.inf, "c": (-math.inf,)}
    request = traces(span_message(attributes))
    kept.keep(request)
    kept.keep(request)
    (told,) = kept.reader.story(Match("trace", spans_in(request)[0].trace_id))
    assert _exact(told.attributes) == _exact(attributes)
    assert kept.store.duplicates == 1


@given(_attributes)
def test_any_run_survives_the_wire(attributes: dict[str, Any]) -> None:
    said = attributes | {c.JOBSPAN_FRAMEWORK: "celery", c.MESSAGING_OPERATION_NAME: c.OPERATION_RUN}
    event = SpanMessage.Event(name="exception", attributes=pairs({c.EXCEPTION_TYPE: "CardError"}))
    (span,) = spans_in(traces(span_message(said, events=[event])))
    assert is_run(span)
    run = run_from_span(span)
    assert _exact(json_codec.run_from_json(json.loads(json.dumps(json_codec.run_to_json(run))))) == _exact(run)


@given(
    st.builds(
        RunFilter,
        since_ns=st.none() | st.integers(1 - 2**63, 2**63 - 1),
        until_ns=st.none() | st.integers(1 - 2**63, 2**63 - 1),
        limit=st.none() | st.integers(0, 2**63 - 1),
        failed=st.booleans(),
        **{name: st.lists(_text).map(tuple) for name in ("jobs", "queues", "commands", "frameworks", "outcomes")},
    )
)
def test_any_filter_survives_the_query_string(where: RunFilter) -> None:
    query = [(name, str(value)) for name, value in json_codec.filter_to_query(where)]
    assert json_codec.filter_from_query(query) == where


def test_promoted_columns_have_the_type_that_the_contract_says() -> None:
    types = {"string": "VARCHAR", "int": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}
    contract = {row.name: types[row.type] for row in c.ATTRIBUTES if row.type in types}
    # The peak has its column already, for workers that measure it.
    contract[c.JOBSPAN_JOB_MEMORY_PEAK] = types["int"]
    assert {promoted.attribute: promoted.type for promoted in PROMOTED} == {
        promoted.attribute: contract[promoted.attribute] for promoted in PROMOTED
    }
