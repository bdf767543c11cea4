"""A trace's story."""

from __future__ import annotations

from dataclasses import replace

from jobspan.analysis.trace import trace_story
from unit.analysis.story import TRACE, Story, at


def _shape(story: Story) -> list[tuple[str, tuple[bool, ...]]]:
    told = trace_story(TRACE, story.spans)
    assert told
    return [(node.span.name, node.ends) for node in told.spans]


def test_spans_stand_beneath_their_parents_in_order_of_their_start() -> None:
    story = Story()
    command = story.command("03:00:00", "03:00:09")
    late = story.publish("b", "b1", "03:00:05", parent=command.span_id)
    early = story.publish("a", "a1", "03:00:01", parent=command.span_id)
    story.foreign("LPUSH", "03:00:05", 0.001, late.span_id)
    story.foreign("LPUSH", "03:00:01", 0.001, early.span_id)
    assert _shape(story) == [
        ("import-orders", ()),
        ("publish a", (False,)),
        ("LPUSH", (False, True)),
        ("publish b", (True,)),
        ("LPUSH", (True, True)),
    ]


def test_a_span_whose_parent_is_elsewhere_stands_at_the_root() -> None:
    story = Story()
    story.foreign("GET /", "03:00:00", 1, "dead" * 4)
    assert _shape(story) == [("GET /", ())]


def test_spans_in_a_circle_are_each_told_once() -> None:
    story = Story()
    one = story.foreign("one", "03:00:00", 1, None)
    two = story.foreign("two", "03:00:01", 1, one.span_id)
    story.spans[0] = replace(one, parent_id=two.span_id)
    assert _shape(story) == [("one", ()), ("two", (True,))]


def test_a_trace_of_ten_thousand_levels_is_told() -> None:
    story, parent = Story(), None
    for _ in range(10_000):
        parent = story.foreign("deeper", "03:00:00", 1, parent).span_id
    assert len(_shape(story)) == 10_000


def test_errors_services_and_both_ends_are_told() -> None:
    story = Story()
    story.command("03:00:00", "03:00:02")
    story.run("work", "w1", "03:00:03", 4, "failed", error=("E", "no"))
    told = trace_story(TRACE, story.spans)
    assert told
    assert (told.errors, told.services, told.start_ns, told.end_ns) == (1, ("shop",), at("03:00:00"), at("03:00:07"))


def test_a_trace_without_spans_has_no_story() -> None:
    assert trace_story("f" * 32, Story().spans) is None
