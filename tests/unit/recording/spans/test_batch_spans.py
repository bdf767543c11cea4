"""Batch spans: around many publishes, and in place of them past a trace's limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import use_span

from jobspan import conventions as c
from jobspan.events import BatchFinished, BatchStarted, CommandFinished, CommandStarted
from jobspan.jobs import Framework
from jobspan.recording.sdk import flush
from jobspan.recording.spans import publish_batches
from jobspan.runs import is_publish, is_publish_batch
from unit.recording.builders import REDIS, T0, job, publish_finished, publish_started, run_finished, run_started


@pytest.fixture(autouse=True)
def no_summary_left() -> Iterator[None]:
    """Each test ends what it began."""
    yield
    publish_batches.end_all()


def publish(recorded: Any, number: int, error: BaseException | None = None, **facts: Any) -> dict[str, Any]:
    """Publish the job of that number; return what is on its message."""
    carrier: dict[str, Any] = facts.pop("carrier", {})
    recorded.tell(publish_started(key=number, job=job(id=f"job-{number}", **facts), carrier=carrier))
    recorded.tell(publish_finished(key=number, error=error))
    return carrier


def in_command(recorded: Any, body: Callable[[], object]) -> None:
    """Do something in a command."""
    recorded.tell(CommandStarted("command", "import", {}, T0))
    body()
    recorded.tell(CommandFinished("command", 0, None, T0 + 5_000_000))


def batch_started(**facts: Any) -> BatchStarted:
    """A group of jobs is about to be put."""
    return BatchStarted("batch", "celery.group", Framework.CELERY, REDIS, T0, **facts)


def batch_finished(error: BaseException | None = None) -> BatchFinished:
    """It was put."""
    return BatchFinished("batch", error, T0 + 9_000_000)


def test_publishes_hang_under_their_batch_which_counts_those_that_were_put(recorded: Any) -> None:
    before = otel_context.get_current()
    recorded.tell(batch_started())
    publish(recorded, 1)
    publish(recorded, 2, error=OSError("down"))
    recorded.tell(batch_finished())
    first, second, batch = recorded.spans
    assert otel_context.get_current() is before
    assert (first.parent_id, second.parent_id) == (batch.span_id, batch.span_id)
    assert (batch.name, batch.kind, batch.status) == ("publish batch celery.group", "internal", "unset")
    assert dict(batch.attributes) == {
        "messaging.system": "redis",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.batch.message_count": 1,
        "server.address": "localhost",
        "server.port": 6379,
        "jobspan.framework": "celery",
    }


def test_the_waiting_job_links_to_the_members_and_no_others(recorded: Any) -> None:
    body: dict[str, Any] = {}
    recorded.tell(batch_started(body=body, members=2, omitted=1))
    recorded.tell(publish_started(key=0, job=job(id="waiter"), carrier={}, is_member=False))
    recorded.tell(publish_finished(key=0))
    publish(recorded, 1)
    publish(recorded, 2)
    recorded.tell(batch_finished())
    carrier = publish(recorded, 3, carrier=dict(body))
    recorded.tell(run_started(job=job(id="job-3"), carrier=carrier))
    recorded.tell(run_finished())
    waiter, one, two, _, put, run = recorded.spans
    members = [("member", span.trace_id, span.span_id) for span in (one, two)]
    assert [(link.type, link.trace_id, link.span_id) for link in put.links] == members
    assert [(link.type, link.trace_id, link.span_id) for link in run.links if link.type == "member"] == members
    assert {span.attributes.get(c.JOBSPAN_LINK_OMITTED) for span in (put, run)} == {1}
    assert not waiter.links
    assert c.MEMBERS_FIELD not in carrier


def test_members_that_are_not_known_beforehand_are_linked_by_their_batch(recorded: Any) -> None:
    body: dict[str, Any] = {}
    recorded.tell(batch_started(body=body))
    publish(recorded, 1)
    recorded.tell(batch_finished())
    publish(recorded, 2, carrier=dict(body))
    _, batch, put = recorded.spans
    assert [(link.type, link.span_id) for link in put.links] == [("member", batch.span_id)]


def test_a_thousand_members_are_a_hundred_links_and_a_number(recorded: Any) -> None:
    body: dict[str, Any] = {}
    recorded.tell(batch_started(body=body, members=900))
    for number in range(900):
        publish(recorded, number)
    recorded.tell(batch_finished())
    carrier = publish(recorded, 900, carrier=dict(body))
    put = recorded.spans[-1]
    assert {link.span_id for link in put.links} == {span.span_id for span in recorded.spans[:100]}
    assert (len(put.links), put.attributes[c.JOBSPAN_LINK_OMITTED]) == (100, 800)
    assert len(body[c.MEMBERS_FIELD]) <= 4096
    assert len(carrier[c.FIELD]) <= 4096


def test_past_the_limit_one_batch_stands_for_the_publishes_and_runs_begin_traces(recording: Any) -> None:
    recorded = recording(trace_job_limit=2)
    carriers: list[dict[str, Any]] = []
    in_command(recorded, lambda: carriers.extend(publish(recorded, number) for number in range(5)))
    recorded.tell(run_started(carrier=carriers[4]))
    recorded.tell(run_finished())
    one, two, batch, command, run = recorded.spans
    assert (is_publish(one), is_publish(two), is_publish(batch), is_publish_batch(batch)) == (True, True, False, True)
    assert (batch.name, batch.kind, batch.parent_id) == ("publish batch send_mail", "producer", command.span_id)
    assert batch.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] == 3
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 5
    assert run.trace_id != command.trace_id
    assert run.parent_id is None
    assert [(link.type, link.span_id) for link in run.links] == [("publish", batch.span_id)]
    assert run.attributes[c.JOBSPAN_COMMAND_ID] == command.span_id


def test_a_summary_holds_at_most_a_thousand(recording: Any) -> None:
    recorded = recording(trace_job_limit=1)
    in_command(recorded, lambda: [publish(recorded, number) for number in range(2502)])
    counts = [span.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] for span in recorded.spans if is_publish_batch(span)]
    assert counts == [1000, 1000, 501]
    assert len(recorded.spans) == 1 + 3 + 1


def test_a_failed_publish_is_never_summarised(recording: Any) -> None:
    recorded = recording(trace_job_limit=1)

    def body() -> None:
        publish(recorded, 1)
        publish(recorded, 2)
        publish(recorded, 3, error=OSError("down"))

    in_command(recorded, body)
    _, failed, batch, command = recorded.spans
    assert (failed.status, failed.attributes[c.MESSAGING_MESSAGE_ID]) == ("error", "job-3")
    assert batch.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] == 1
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_FAILED_TO_PUBLISH] == 1


def test_a_run_ends_the_summaries_that_it_caused(recording: Any) -> None:
    recorded = recording(trace_job_limit=1)
    recorded.tell(run_started(carrier={}))
    publish(recorded, 1)
    publish(recorded, 2)
    recorded.tell(run_finished())
    assert [span.name for span in recorded.spans] == ["publish send_mail", "publish batch send_mail", "run send_mail"]


def test_a_summary_that_nobody_adds_to_ends_in_time(recording: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from support.waiting import wait_until

    monkeypatch.setattr(publish_batches, "LONGEST_S", 0.05)
    recorded = recording(trace_job_limit=1)
    with use_span(TracerProvider().get_tracer("web").start_span("request")):
        publish(recorded, 1)
        publish(recorded, 2)
    wait_until(lambda: len(recorded.spans) == 2, deadline_s=5, what="the batch ends")


def test_a_flush_ends_all_summaries(recording: Any) -> None:
    recorded = recording(trace_job_limit=1)
    with use_span(TracerProvider().get_tracer("web").start_span("request")):
        publish(recorded, 1)
        publish(recorded, 2)
        flush.flush(0.1)
    assert [is_publish_batch(span) for span in recorded.spans] == [False, True]


def test_past_depth_fifty_a_run_begins_a_trace_that_counts_anew(recorded: Any) -> None:
    carrier = publish(recorded, 0)
    for number in range(1, 120):
        recorded.tell(run_started(key=number, job=job(id=f"job-{number - 1}"), carrier=carrier))
        carrier = publish(recorded, number)
        recorded.tell(run_finished(key=number))
    by_trace: dict[str, int] = {}
    for span in recorded.spans:
        if span.kind == "consumer":
            by_trace[span.trace_id] = by_trace.get(span.trace_id, 0) + 1
    assert list(by_trace.values()) == [50, 51, 18]


def test_a_run_inside_anothers_span_links_to_it(recorded: Any) -> None:
    carrier = publish(recorded, 1)
    ambient = TracerProvider().get_tracer("poller").start_span("poll")
    with use_span(ambient):
        recorded.tell(run_started(carrier=carrier))
        recorded.tell(run_finished())
    put, run = recorded.spans
    found = ambient.get_span_context()
    assert run.parent_id == put.span_id
    assert [(link.type, link.span_id) for link in run.links] == [
        ("publish", put.span_id),
        ("ambient", f"{found.span_id:016x}"),
    ]


def test_a_schedules_tick_begins_a_trace_and_its_retry_keeps_the_entry(recorded: Any) -> None:
    ticking = job(id="tick", scheduled_by="beat", schedule_name="nightly")
    carrier: dict[str, Any] = {}
    with use_span(TracerProvider().get_tracer("beat").start_span("loop")):
        recorded.tell(publish_started(job=ticking, carrier=carrier, is_root=True))
        recorded.tell(publish_finished())
    recorded.tell(run_started(job=job(id="tick"), carrier=carrier))
    publish_again: dict[str, Any] = {}
    recorded.tell(publish_started(key="again", job=job(id="tick", attempt=2), carrier=publish_again))
    recorded.tell(publish_finished(key="again"))
    publish(recorded, 7)
    recorded.tell(run_finished())
    first, again, nested, run = recorded.spans
    said = [
        (s.attributes.get(c.JOBSPAN_JOB_SCHEDULED_BY), s.attributes.get(c.JOBSPAN_JOB_SCHEDULE_NAME))
        for s in recorded.spans
    ]
    assert said == [("beat", "nightly"), ("beat", "nightly"), (None, None), ("beat", "nightly")]
    assert first.parent_id is None
    assert {again.parent_id, nested.parent_id} == {run.span_id}


def test_a_job_that_replaces_itself_has_no_previous_attempt(recorded: Any) -> None:
    recorded.tell(run_started(job=job(id="same"), carrier=publish(recorded, 1)))
    carrier: dict[str, Any] = {}
    recorded.tell(publish_started(key="replacement", job=job(id="same"), carrier=carrier))
    recorded.tell(publish_finished(key="replacement"))
    recorded.tell(run_finished())
    recorded.tell(run_started(job=job(id="same"), carrier=carrier))
    recorded.tell(run_finished())
    assert [link.type for link in recorded.spans[-1].links] == ["publish"]
