"""Whole spans compare as told: placeholders fit what they say, every difference is one readable line."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobspan.runs import Link, Span, SpanEvent
from support.matching import (
    ANY,
    ANY_INT,
    ANY_NOT_NEGATIVE,
    ANY_POSITIVE,
    ANY_TEXT,
    Placeholder,
    assert_spans,
    between,
    containing,
    differences,
    expected_exception,
    expected_link,
    expected_span,
    optional,
)

PUBLISH = Span("t1", "p1", None, "publish ok", "producer", 5, 9, attributes={"n": 1}, scope="jobspan")
RUN = Span(
    "t1",
    "r1",
    "p1",
    "run ok",
    "consumer",
    10,
    20,
    status="error",
    status_message="no",
    attributes={"n": 1, "wait": 0.5, "list": ("a", "b")},
    links=(Link("t1", "p1", {"jobspan.link.type": "publish"}),),
    events=(
        SpanEvent("exception", 15, {"exception.type": "E", "exception.message": "no", "exception.stacktrace": "in f"}),
    ),
    resource={"service.name": "w"},
    scope="jobspan",
)


def _expected() -> list[Span]:
    return [
        expected_span(
            "run ok",
            "consumer",
            id="run",
            parent="publish",
            attributes={"n": 1, "wait": between(0.4, 0.6), "list": ("a", "b"), "more": optional(ANY)},
            status="error",
            status_message="no",
            links=[expected_link("publish", "publish")],
            events=[expected_exception("E", "no", containing("in", "f"))],
            resource={"service.name": ANY_TEXT},
        ),
        expected_span("publish ok", "producer", id="publish", attributes={"n": ANY_INT}),
    ]


def test_expected_spans_match_in_any_order() -> None:
    assert_spans([PUBLISH, RUN], _expected())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"parent_id": "r2"}, "parent_id: 'r2', expected <id publish>"),
        ({"parent_id": None}, "parent_id: None, expected <id publish>"),
        ({"trace_id": "t2"}, "trace_id: 't2', expected <id trace>"),
        ({"kind": "internal"}, "kind: 'internal', expected 'consumer'"),
        ({"status": "unset"}, "status: 'unset', expected 'error'"),
        ({"status_message": ""}, "status_message: '', expected 'no'"),
        ({"attributes": {**RUN.attributes, "wait": 0.7}}, "attributes[wait]: 0.7, expected between(0.4, 0.6)"),
        ({"attributes": {**RUN.attributes, "n": True}}, "attributes[n]: True, expected 1"),
        ({"attributes": {**RUN.attributes, "n": 1.0}}, "attributes[n]: 1.0, expected 1"),
        ({"attributes": {**RUN.attributes, "z": 0}}, "attributes[z]: 0, not expected"),
        ({"attributes": {"n": 1, "list": ("a", "b")}}, "attributes[wait]: absent, expected between(0.4, 0.6)"),
        ({"links": ()}, "links: (), expected"),
        ({"links": (*RUN.links, *RUN.links)}, "links: "),
        ({"links": (Link("t1", "r1", RUN.links[0].attributes),)}, "links[0].span_id: <id run>, expected <id publish>"),
        ({"links": (Link("t1", "p1"),)}, "links[0].attributes[jobspan.link.type]: absent, expected 'publish'"),
        ({"events": ()}, "events: (), expected"),
        ({"resource": {}}, "resource[service.name]: absent, expected ANY_TEXT"),
        ({"scope": "other"}, "scope: 'other', expected 'jobspan'"),
    ],
)
def test_a_difference_is_a_readable_line(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(AssertionError) as told:
        assert_spans([PUBLISH, replace(RUN, **changes)], list(reversed(_expected())))
    assert line in str(told.value)


def test_missing_and_unexpected_spans_are_named() -> None:
    with pytest.raises(AssertionError, match="run ok: missing"):
        assert_spans([PUBLISH], _expected())
    with pytest.raises(AssertionError, match="publish ok: not expected"):
        assert_spans([RUN, PUBLISH, PUBLISH], _expected())


def test_the_same_name_is_the_same_id_and_another_name_another() -> None:
    twins = [expected_span("publish ok", "producer", id=name, attributes={"n": 1}) for name in ("one", "two")]
    assert_spans([PUBLISH, replace(PUBLISH, span_id="p2")], twins)
    with pytest.raises(AssertionError, match="span_id: <id one>, expected <id two>"):
        assert_spans([PUBLISH, PUBLISH], twins)


def test_alike_spans_are_told_apart_by_what_points_at_them() -> None:
    publishes = [replace(PUBLISH, span_id="p2"), PUBLISH]
    wanted = [expected_span("publish ok", "producer", id=name, attributes={"n": 1}) for name in ("other", "publish")]
    assert_spans([*publishes, RUN], [*wanted, _expected()[0]])


def test_differences_of_equal_spans_are_none() -> None:
    assert differences(RUN, RUN) == ()


@pytest.mark.parametrize(
    ("placeholder", "fitting", "unfitting"),
    [
        (ANY_INT, [0, -1], [True, 1.0, "1", None]),
        (ANY_POSITIVE, [1, 0.1], [0, -1, True, "1"]),
        (ANY_NOT_NEGATIVE, [0, 0.0, 2], [-1, True, None]),
        (ANY_TEXT, ["a"], ["", None, 1]),
        (containing("a", "c"), ["abc"], ["ca", "a", None]),
        (between(1, 2), [1, 1.5, 2], [0.9, 2.1, "1", True]),
    ],
)
def test_a_placeholder_fits_what_it_says(placeholder: Placeholder, fitting: list[Any], unfitting: list[Any]) -> None:
    assert all(placeholder.fits(value) for value in fitting)
    assert not any(placeholder.fits(value) for value in unfitting)
