"""Texts and times that a message or an exception may hold and telemetry cannot: none of them costs a span."""

from __future__ import annotations

import pytest

from jobspan import conventions as c
from jobspan.events import JobDropped
from jobspan.jobs import Outcome
from unit.recording import builders as b
from unit.recording.conftest import Recorded

HALF = "grün-\udcff"
"""As Python reads a file name that is no UTF-8."""
ESCAPED = "grün-\\udcff"


def test_an_exception_about_an_undecodable_name_costs_no_other_span(recorded: Recorded) -> None:
    recorded.tell(b.run_started(key="sound"))
    recorded.tell(b.run_finished(key="sound"))
    recorded.tell(b.run_started())
    recorded.tell(b.run_finished(outcome=Outcome.FAILED, error=LookupError(HALF)))
    sound, failed = recorded.spans
    assert (sound.status, failed.status_message) == ("unset", ESCAPED)
    assert failed.events[0].attributes[c.EXCEPTION_MESSAGE] == ESCAPED


def test_a_job_name_that_cannot_be_encoded_costs_no_other_span(recorded: Recorded) -> None:
    odd = b.job(name=HALF)
    recorded.tell(b.publish_started(job=odd))
    recorded.tell(b.publish_finished())
    recorded.tell(
        JobDropped(odd, b.REDIS, {}, "w1", Outcome.UNROUTABLE, final=True, at_ns=b.T0, error_type="unknown_job")
    )
    recorded.tell(b.run_started(job=odd))
    recorded.tell(b.run_finished())
    assert [span.name for span in recorded.spans] == [f"publish {ESCAPED}", f"run {ESCAPED}", f"run {ESCAPED}"]
    assert {span.attributes[c.JOBSPAN_JOB_NAME] for span in recorded.spans} == {ESCAPED}


def test_what_a_job_says_of_a_retry_is_cut_so_that_receivers_take_it(recorded: Recorded) -> None:
    recorded.tell(b.run_started())
    answer = "token=abcdef " + "<html>" * 1_000_000
    recorded.tell(b.run_finished(outcome=Outcome.RETRIED, final=False, retry_reason=answer))
    (span,) = recorded.spans
    said = span.attributes[c.JOBSPAN_JOB_RETRY_REASON]
    assert (len(said), said[:23]) == (4096, "token=[redacted] <html>")


@pytest.mark.parametrize("scheduled_ns", [10**21, 2**80, 10**400], ids=["year 33658", "year 4e7", "no float"])
def test_a_time_that_no_calendar_has_is_not_told_and_costs_no_span(recorded: Recorded, scheduled_ns: int) -> None:
    recorded.tell(b.publish_started(job=b.job(scheduled_ns=scheduled_ns)))
    recorded.tell(b.publish_finished())
    (span,) = recorded.spans
    assert c.JOBSPAN_JOB_SCHEDULED_AT not in span.attributes
