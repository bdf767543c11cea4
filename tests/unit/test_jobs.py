"""When a run has failed: the one definition."""

from __future__ import annotations

import pytest

from jobspan.jobs import Outcome, has_failed

FAILED = {Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.UNROUTABLE}


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.REJECTED])
def test_a_final_run_has_failed_by_its_outcome(outcome: Outcome) -> None:
    assert has_failed(outcome.value, final=True, is_error=False) == (outcome in FAILED)


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("final", [False, None])
def test_a_run_that_another_follows_has_not_failed(outcome: Outcome, final: bool | None) -> None:
    assert not has_failed(outcome.value, final=final, is_error=True)


@pytest.mark.parametrize("is_error", [True, False])
def test_a_rejected_run_has_failed_unless_the_job_asked_for_it(is_error: bool) -> None:
    assert has_failed("rejected", final=True, is_error=is_error) == is_error


def test_a_run_without_an_outcome_has_not_failed() -> None:
    assert not has_failed(None, final=True, is_error=True)
