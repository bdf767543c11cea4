"""A span sent twice is kept once; two that differ are both kept, and counted."""

from __future__ import annotations

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from backends.kept_store import Kept
from backends.otlp_requests import NOON, SECOND, WORKER, run_attributes, span_message, traces
from backends.otlp_server import Server
from jobspan.backends.base import Match

_IDS = {"trace_id": b"t" * 16, "span_id": b"s" * 8}
_TRACE = Match("trace", (b"t" * 16).hex())


def _span(**fields: object) -> SpanMessage:
    return span_message(run_attributes(), **{**_IDS, **fields})


def _counted(kept: Kept) -> tuple[int, int, int]:
    return kept.store.count_spans(), kept.store.duplicates, kept.store.conflicts


def test_a_span_sent_twice_in_one_request_is_kept_once(kept: Kept) -> None:
    kept.keep(traces(_span(), _span()))
    assert _counted(kept) == (1, 1, 0)


def test_a_span_sent_twice_in_one_commit_is_kept_once(kept: Kept) -> None:
    kept.keep(traces(_span()), traces(_span()))
    assert _counted(kept) == (1, 1, 0)


def test_a_span_sent_again_later_is_kept_once(kept: Kept) -> None:
    kept.keep(traces(_span()))
    kept.keep(traces(_span()))
    assert _counted(kept) == (1, 1, 0)


def test_a_span_sent_again_after_a_restart_is_kept_once(kept: Kept) -> None:
    kept.keep(traces(_span()))
    kept.reopen()
    kept.keep(traces(_span()))
    kept.reopen()
    assert _counted(kept) == (1, 1, 0)


def test_the_order_of_attributes_and_who_delivered_it_make_no_difference(kept: Kept) -> None:
    attributes = run_attributes() | {"a": 1, "b": "x"}
    turned = dict(reversed(attributes.items()))
    kept.keep(traces(span_message(attributes, **_IDS)))
    kept.keep(traces(span_message(turned, **_IDS), resource=WORKER | {"collector": "b"}))
    assert _counted(kept) == (1, 1, 0)


def test_spans_of_one_id_that_differ_are_both_kept_and_counted(kept: Kept) -> None:
    different = (
        _span(name="other"),
        _span(end_time_unix_nano=NOON + 2 * SECOND),
        _span(parent_span_id=b"p" * 8),
        _span(kind=SpanMessage.SPAN_KIND_CLIENT),
        _span(events=[SpanMessage.Event(name="e", time_unix_nano=1)]),
        _span(links=[SpanMessage.Link(trace_id=b"l" * 16, span_id=b"l" * 8)]),
        span_message(run_attributes(outcome="lost"), **_IDS),
        span_message(run_attributes() | {"x": 1}, **_IDS),
        span_message(run_attributes() | {"x": 1.0}, **_IDS),
        span_message(run_attributes() | {"x": True}, **_IDS),
        span_message(run_attributes() | {"x": "1"}, **_IDS),
    )
    kept.keep(traces(_span()))
    for number, span in enumerate(different, start=1):
        kept.keep(traces(span))
        assert _counted(kept) == (number + 1, 0, number)
    assert len(kept.reader.story(_TRACE)) == len(different) + 1


def test_a_conflict_within_one_request_is_counted_and_stays_counted(kept: Kept) -> None:
    kept.keep(traces(_span(), _span(name="other"), _span(name="other")))
    kept.reopen()
    assert _counted(kept) == (2, 1, 1)


def test_the_same_span_id_in_another_trace_is_another_span(kept: Kept) -> None:
    kept.keep(traces(_span()))
    kept.keep(traces(_span(trace_id=b"u" * 16)))
    assert _counted(kept) == (2, 0, 0)


def test_both_protocols_together_keep_a_span_once(shared_server: Server) -> None:
    before = shared_server.stats()
    shared_server.post(traces(_span()))
    shared_server.call(traces(_span()))
    after = shared_server.stats()
    assert [after[name] - before[name] for name in ("spans", "duplicates", "conflicts")] == [1, 1, 0]


@pytest.mark.parametrize("trace_id", [b"\x01" * 16, b"\x7f" * 16, b"\x80" * 16, b"\xff" * 16])
def test_ids_of_every_size_are_kept_request_by_request(kept: Kept, trace_id: bytes) -> None:
    for number in range(1, 21):
        spans = [span_message(trace_id=trace_id, span_id=bytes([255 - i]) * 7 + bytes([number])) for i in range(10)]
        kept.keep(traces(*spans))
        kept.keep(traces(*spans))
    assert _counted(kept) == (200, 200, 0)
