"""One job's story."""

from __future__ import annotations

from jobspan.analysis.job import job_story, parent_of
from jobspan.runs import Failure
from unit.analysis.story import TRACE, Story


def _told() -> Story:
    story = Story()
    put = story.publish("charge", "c1", "03:00:00")
    run = story.run("charge", "c1", "03:00:01", 3, parent=put.span_id)
    sent = story.publish("receipt", "r1", "03:00:02", parent=run.span_id)
    first = story.run("receipt", "r1", "03:00:03", 1, "retried", parent=sent.span_id, error=("smtp.Busy", "later"))
    again = story.publish("receipt", "r1", "03:00:04", parent=first.span_id)
    story.run("receipt", "r1", "03:00:06", 1, "failed", parent=again.span_id, attempt=2, error=("smtp.Gone", "never"))
    return story


def test_a_job_is_told_with_its_attempts_and_where_it_came_from() -> None:
    told = job_story("r1", _told().spans)
    assert told
    assert [(run.attempt, run.outcome) for run in told.job.runs] == [(1, "retried"), (2, "failed")]
    assert [(job.name, job.key) for job in told.ancestors] == [("charge", "c1")]
    assert told.publish
    assert told.publish.parent_id == "b000000000000002"
    assert (told.job.state, told.recovered, told.trace_id) == ("failed", False, TRACE)


def test_the_exception_is_the_newest_one() -> None:
    told = job_story("r1", _told().spans)
    assert told
    assert told.failure == Failure(
        "smtp.Gone",
        "never",
        'Traceback (most recent call last):\n  File "shop/jobs.py", line 7, in work\nsmtp.Gone: never\n',
    )


def test_what_a_job_put_is_counted_by_name() -> None:
    told = job_story("c1", _told().spans)
    assert told
    assert told.children == {"receipt": 1}


def test_a_job_whose_publish_failed_was_never_put_and_says_why() -> None:
    story = Story()
    story.publish("charge", "c1", "03:00:00", error=("redis.ConnectionError", "refused"))
    told = job_story("c1", story.spans)
    assert told
    assert (told.job.state, told.newest) == ("not put", None)
    assert told.failure
    assert told.failure.message == "refused"


def test_a_job_that_no_span_tells_of_has_no_story() -> None:
    assert job_story("other", _told().spans) is None


def test_a_job_that_was_retried_is_not_its_own_parent() -> None:
    story = Story()
    put = story.publish("charge", "c1", "03:00:00")
    first = story.run("charge", "c1", "03:00:01", 1, "retried", parent=put.span_id)
    story.publish("charge", "c1", "03:00:02", parent=first.span_id)
    assert parent_of("c1", story.spans) is None


def test_the_parent_is_told_from_the_publish_inside_its_run() -> None:
    assert (parent_of("r1", _told().spans), parent_of("c1", _told().spans)) == ("c1", None)
