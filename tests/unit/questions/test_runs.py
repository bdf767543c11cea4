"""The newest runs, groups of failures, and what ran although a filter found nothing."""

from __future__ import annotations

from jobspan.backends.base import Counts, RunFilter
from jobspan.questions.runs import NothingFound, failure_groups, newest_runs, nothing_found
from unit.analysis.story import Story, at
from unit.cli.sample import night
from unit.cli.twin import Twin

_COUNTS = Counts(18, 17, 2, 1, {"succeeded": 15, "failed": 1, "retried": 1, "lost": 1})


def test_the_newest_runs_come_first_with_the_counts_over_all() -> None:
    found = newest_runs(Twin(night().spans), RunFilter(limit=2))
    assert [run.job_name for run in found.runs] == ["charge", "fetch_rates"]
    assert (found.counts, found.more) == (_COUNTS, True)


def test_a_limit_that_is_just_reached_leaves_no_more() -> None:
    backend = Twin(night().spans)
    assert [newest_runs(backend, RunFilter(limit=limit)).more for limit in (17, 18, None)] == [True, False, False]


def test_groups_are_cut_to_the_limit_and_counted_without_it() -> None:
    found = failure_groups(Twin(night().spans), RunFilter(failed=True, limit=1), "error")
    assert [(group.key, group.jobs) for group in found.groups] == [("CardError: card declined", 1)]
    assert (found.counts, found.total) == (_COUNTS, 2)


def _nothing(**where: object) -> NothingFound:
    story = Story()
    story.run("work", "job-a", "03:10:00", 1)
    backend, filter_ = Twin(story.spans), RunFilter(**where)  # type: ignore[arg-type]  # fields by name
    return nothing_found(backend, filter_, backend.counts(filter_))


def test_without_a_failure_the_jobs_that_ran_are_counted() -> None:
    assert _nothing(failed=True) == NothingFound(1, 0, None)


def test_without_a_match_the_other_jobs_of_the_window_are_counted() -> None:
    assert _nothing(jobs=("nope",)) == NothingFound(0, 1, None)


def test_an_empty_window_names_the_newest_run_of_all() -> None:
    found = _nothing(since_ns=at("03:15:00"), jobs=("work",))
    assert (found.jobs, found.other_jobs, found.newest and found.newest.job_id) == (0, 0, "job-a")


def test_an_empty_backend_has_no_newest_run() -> None:
    assert nothing_found(Twin(), RunFilter(), Counts(0, 0, 0, 0)) == NothingFound(0, 0, None)
