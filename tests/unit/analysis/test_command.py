"""A command's story."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jobspan import conventions as c
from jobspan.analysis.command import JobFold, command_story
from jobspan.analysis.memory import Memory
from jobspan.analysis.quantiles import Spread
from jobspan.analysis.timeline import Timeline
from jobspan.runs import run_from_span
from unit.analysis.story import COMMAND, SECOND, Story, at


def test_jobs_are_folded_by_name_beneath_the_jobs_that_put_them() -> None:
    story = Story()
    story.command("03:00:00", "03:00:10")
    for number in (1, 2):
        put = story.publish("charge", f"c{number}", f"03:00:0{number}")
        run = story.run("charge", f"c{number}", f"03:00:0{number + 1}", number, parent=put.span_id, queued_s=0.5)
        sent = story.publish("receipt", f"r{number}", f"03:00:0{number + 1}", parent=run.span_id)
        story.run("receipt", f"r{number}", "03:00:08", 0.25, parent=sent.span_id, memory=(10, 20))
    assert command_story(COMMAND, story.spans, now_ns=0).folds == (
        JobFold("charge", 0, 2, {"succeeded": 2}, {}, 0, Spread(0.5, 0.5), Spread(1.0, 2.0), None),
        JobFold("receipt", 1, 2, {"succeeded": 2}, {}, 0, None, Spread(0.25, 0.25), Memory(20, is_peak=False)),
    )


def test_the_parent_is_known_by_its_id_where_the_spans_do_not_nest() -> None:
    story = Story()
    story.run("charge", "c1", "03:00:01", 1)
    story.run("receipt", "r1", "03:00:02", 1, parent_job="c1")
    assert [(fold.name, fold.depth) for fold in command_story(COMMAND, story.spans, now_ns=0).folds] == [
        ("charge", 0),
        ("receipt", 1),
    ]


def test_the_publish_of_a_retry_does_not_make_a_job_its_own_parent() -> None:
    story = Story()
    put = story.publish("charge", "c1", "03:00:00")
    first = story.run("charge", "c1", "03:00:01", 1, "retried", parent=put.span_id, error=("E", "no"))
    again = story.publish("charge", "c1", "03:00:02", parent=first.span_id)
    story.run("charge", "c1", "03:00:03", 1, parent=again.span_id, attempt=2)
    told = command_story(COMMAND, story.spans, now_ns=0)
    assert [(fold.name, fold.depth, fold.jobs, fold.retries) for fold in told.folds] == [("charge", 0, 1, 1)]
    assert (told.states, told.retries) == ({"succeeded": 1}, 1)


def test_a_job_that_puts_itself_again_stays_one_row() -> None:
    story = Story()
    story.run("page", "p1", "03:00:01", 1)
    story.run("page", "p2", "03:00:02", 1, parent_job="p1")
    story.run("page", "p3", "03:00:03", 1, parent_job="p2")
    assert [(f.name, f.depth, f.jobs) for f in command_story(COMMAND, story.spans, now_ns=0).folds] == [("page", 0, 3)]


def test_jobs_that_claim_to_have_put_each_other_end_the_story_somewhere() -> None:
    story = Story()
    story.run("a", "a1", "03:00:01", 1, parent_job="b1")
    story.run("b", "b1", "03:00:02", 1, parent_job="a1")
    assert {fold.name for fold in command_story(COMMAND, story.spans, now_ns=0).folds} == {"a", "b"}


def test_waiting_failed_lost_and_never_put_jobs_are_told_apart() -> None:
    story = Story()
    counted: dict[str, Any] = {c.JOBSPAN_COMMAND_JOBS_PUBLISHED: 5, c.JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH: 1}
    story.command("03:00:00", "03:00:10", exit_code=3, **counted)
    for number, job in enumerate(("w1", "f1", "l1", "s1")):
        story.publish("work", job, f"03:00:0{number}", took_s=0.5)
    story.publish("work", "n1", "03:00:05", error=("redis.ConnectionError", "refused"))
    story.run("work", "f1", "03:00:04", 1, "failed", error=("E", "no"))
    story.run("work", "l1", "03:00:04", 1, "lost", status="error")
    story.run("work", "s1", "03:00:04", 1)
    told = command_story(COMMAND, story.spans, now_ns=0)
    assert told.states == {"waiting": 1, "failed": 1, "lost": 1, "succeeded": 1, "not put": 1}
    assert (told.put, told.not_put, told.put_s) == (5, 1, 5.01)
    assert told.folds[0].failed == {"failed": 1, "lost": 1}
    assert told.command
    assert told.command.exit_code == 3


def test_a_command_without_its_own_span_is_told_by_its_jobs() -> None:
    story = Story()
    story.publish("work", "w1", "03:00:00")
    told = command_story(COMMAND, story.spans, now_ns=0)
    assert (told.name, told.command, told.put, told.timeline) == ("import-orders", None, 1, None)


def test_a_run_in_flight_counts_as_running_and_is_open_until_now() -> None:
    story = Story()
    story.command("03:00:00", "03:00:05")
    put = story.publish("work", "w1", "03:00:00")
    span = story.run("work", "w1", "03:00:10", 0, parent=put.span_id)
    story.spans.remove(span)
    flying = replace(run_from_span(span), end_ns=None, outcome=None, final=None)
    told = command_story(COMMAND, story.spans, [flying], now_ns=at("03:00:20"), buckets=4)
    assert told.states == {"running": 1}
    assert told.timeline == Timeline(at("03:00:00"), at("03:00:20"), (0, 0, 1, 1))


def test_a_run_that_ended_is_not_told_again_as_running() -> None:
    story = Story()
    span = story.run("work", "w1", "03:00:10", 1)
    flying = replace(run_from_span(span), end_ns=None, outcome=None, final=None)
    told = command_story(COMMAND, story.spans, [flying], now_ns=span.end_ns + SECOND)
    assert [run.outcome for run in told.runs] == ["succeeded"]


def test_jobs_of_another_command_in_the_same_trace_are_left_out() -> None:
    story, other = Story(), Story(command=("nested", "beef" * 4))
    story.run("mine", "m1", "03:00:01", 1)
    theirs = replace(other.run("theirs", "t1", "03:00:01", 1), span_id="e" * 16)
    told = command_story(COMMAND, [*story.spans, theirs], now_ns=0)
    assert [fold.name for fold in told.folds] == ["mine"]


def test_runs_that_never_began_say_nothing_about_how_long_jobs_run() -> None:
    story = Story()
    story.run("work", "e1", "03:00:01", 0, "expired")
    story.run("work", "s1", "03:00:01", 4)
    assert command_story(COMMAND, story.spans, now_ns=0).folds[0].ran == Spread(4.0, 4.0)
