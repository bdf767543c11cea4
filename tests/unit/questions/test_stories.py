"""What an id means, and the stories of a command, a job and a trace."""

from __future__ import annotations

import pytest

from jobspan.analysis.command import CommandStory
from jobspan.analysis.job import JobStory
from jobspan.analysis.trace import TraceStory
from jobspan.backends.base import Match
from jobspan.errors import UsageError
from jobspan.questions.stories import find, story, with_origin
from unit.analysis.story import COMMAND, TRACE, Story
from unit.cli.sample import NOW, night, running
from unit.cli.twin import Twin


def _family(generations: int) -> Story:
    """Return jobs ``job-0``, ``job-1``, …, each published by the one before, in traces of their own jobs."""
    family = Story()
    for number in range(generations):
        parent = f"job-{number - 1}" if number else None
        family.publish("work", f"job-{number}", "03:10:00", parent_job=parent)
        family.run("work", f"job-{number}", "03:10:01", 1, parent_job=parent)
    return family


def test_a_whole_id_wins_over_longer_ones() -> None:
    assert find(Twin(_family(11).spans), "job-1") == [Match("job", "job-1")]


def test_a_beginning_means_all_that_begin_with_it() -> None:
    assert find(Twin(_family(3).spans), "job-") == [Match("job", f"job-{number}") for number in range(3)]


def test_an_id_may_be_in_capitals() -> None:
    assert find(Twin(night().spans), "7F3A") == [Match("command", COMMAND)]


@pytest.mark.parametrize(("prefix", "seen"), [("", "an empty id"), ("03", "'03'")])
def test_an_id_too_short_to_mean_one_thing_is_wrong_use(prefix: str, seen: str) -> None:
    with pytest.raises(UsageError, match=f"saw {seen}; expected"):
        find(Twin(night().spans), prefix)


def test_each_kind_of_id_has_its_story() -> None:
    spans = night().spans
    backend = Twin(spans)
    job_id = str(spans[-1].attributes["messaging.message.id"])
    kinds = [
        story(backend, match, NOW) for match in (Match("command", COMMAND), Match("job", job_id), Match("trace", TRACE))
    ]
    assert [type(found) for found in kinds] == [CommandStory, JobStory, TraceStory]


def test_a_command_that_is_not_known_has_an_empty_story_and_a_job_or_trace_none() -> None:
    unknown = story(Twin(), Match("command", "f" * 16), NOW)
    assert isinstance(unknown, CommandStory)
    assert (unknown.command, unknown.put, unknown.runs) == (None, 0, ())
    assert [story(Twin(), match, NOW) for match in (Match("job", "f"), Match("trace", "f" * 32))] == [None, None]


def test_a_run_in_flight_is_part_of_its_job_alone() -> None:
    backend = Twin(night().spans, [running()])
    stories = [
        story(backend, Match("job", str(job)), NOW)
        for job in (running().job_id, night().spans[-1].attributes["messaging.message.id"])
    ]
    assert [[run.outcome for run in found.job.runs][-1] for found in stories if isinstance(found, JobStory)] == [
        None,
        "failed",
    ]


def test_the_jobs_above_come_with_a_job_up_to_twenty_levels() -> None:
    backend = Twin(_family(30).spans)
    own = backend.story(Match("job", "job-29"))
    jobs = {span.attributes["messaging.message.id"] for span in with_origin(backend, "job-29", own)}
    assert jobs == {f"job-{number}" for number in range(9, 30)}
