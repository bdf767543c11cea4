"""What users choose and what a batch promises: ids, members without spans, runs that are told, traces cut over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

import jobspan
from jobspan import conventions as c
from jobspan.events import BatchFinished, BatchStarted, JobDropped, RunLost
from jobspan.job_options import NOTHING, JobOptions
from jobspan.jobs import Framework, Outcome
from jobspan.recording.context.message_field import decode
from jobspan.recording.sdk.ids import OwnIds
from jobspan.recording.sdk.reserved_ids import reserve_span_ids, use_span_id
from jobspan.recording.telemetry.instruments import Instruments
from jobspan.settings import Settings
from unit.recording import builders as b
from unit.recording.conftest import Recorded

UNTRACED = JobOptions(trace=False)


class Counting(RandomIdGenerator):
    """A generator of the user's own."""

    def __init__(self) -> None:
        self.last = 0

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last


@pytest.mark.parametrize("own", [None, Counting()], ids=["ours", "the user's"])
def test_a_promised_id_is_kept_and_all_others_come_from_the_generator_behind(own: Any, monkeypatch: Any) -> None:
    made: list[int] = []
    make = OwnIds.generate_span_id

    def noted(self: OwnIds) -> int:
        made.append(make(self))
        return made[-1]

    monkeypatch.setattr(OwnIds, "generate_span_id", noted)
    instruments = Instruments(Settings(), "0", tracer_provider=TracerProvider(id_generator=own))
    instruments.tracer.start_span("before")
    (kept,) = reserve_span_ids(instruments.tracer, 1)
    with use_span_id(kept):
        first = instruments.tracer.start_span("x").get_span_context()
    second = instruments.tracer.start_span("y").get_span_context()
    assert first.span_id == kept
    assert second.span_id != kept
    if own is None:
        assert {kept, second.span_id} <= set(made)
    else:
        assert (kept, second.span_id, own.last) == (2, 3, 3)
        assert made == []


def put(recorded: Recorded, names: list[str], body: dict[str, Any] | None = None, **facts: Any) -> None:
    """Put a group of jobs, of which those named ``quiet`` are to have no spans."""
    jobs = tuple((name, UNTRACED if name == "quiet" else NOTHING) for name in names)
    values = {"body": body, "members": len(jobs), "jobs": jobs, **facts}
    recorded.tell(BatchStarted("batch", "celery.group", Framework.CELERY, b.REDIS, b.T0, **values))
    for number, (name, options) in enumerate(jobs):
        recorded.tell(b.publish_started(key=number, job=b.job(name=name, id=f"job-{number}"), options=options))
        recorded.tell(b.publish_finished(key=number))
    recorded.tell(BatchFinished("batch", None, b.T0 + 9))


def names(recorded: Recorded) -> list[str]:
    return [span.name for span in recorded.spans]


def test_only_members_with_spans_are_promised_and_all_that_were_put_are_counted(recorded: Recorded) -> None:
    body: dict[str, Any] = {}
    put(recorded, ["quiet", "loud", "quiet", "loud"], body)
    publishes, batch = recorded.spans[:-1], recorded.spans[-1]
    field = decode(body[c.MEMBERS_FIELD])
    assert field is not None
    assert field.members is not None
    assert field.members.span_ids == tuple(span.span_id for span in publishes)
    assert field.members.omitted == 2
    assert batch.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] == 4


def test_a_group_of_jobs_without_spans_has_none_itself(recording: Callable[..., Recorded]) -> None:
    recorded, body = recording(), dict[str, Any]()
    put(recorded, ["quiet", "quiet"], body)
    with jobspan.options(trace=False):
        put(recorded, ["loud"], body)
    assert names(recorded) == []
    assert body == {}
    excluding = recording(excluded_jobs=("lo*",))
    put(excluding, ["loud"])
    assert names(excluding) == []
    put(excluding, ["loud"], omitted=1)
    assert names(excluding) == ["publish batch celery.group"]


def told(options: JobOptions) -> list[Any]:
    facts: dict[str, Any] = {"job": b.job(), "broker": b.REDIS, "carrier": {}, "worker": "w", "options": options}
    lost = RunLost(outcome=Outcome.TIMED_OUT, final=True, started_ns=b.T0, at_ns=b.T0 + 1, **facts)
    return [lost, JobDropped(outcome=Outcome.REVOKED, final=True, at_ns=b.T0, **facts)]


def test_told_runs_go_by_what_stands_on_the_job_and_by_excluded_names(recording: Callable[..., Recorded]) -> None:
    for settings, options, expected in (({}, NOTHING, 2), ({}, UNTRACED, 0), ({"excluded_jobs": ("*",)}, NOTHING, 0)):
        recorded = recording(**settings)
        for event in told(options):
            recorded.tell(event)
        assert len(recorded.spans) == expected


@pytest.mark.parametrize(("relation", "depth"), [("child+link", 2), ("link", 1), ("none", 1)])
def test_the_relation_of_a_job_decides_how_deep_in_its_trace_it_is(
    recorded: Recorded, relation: str, depth: int
) -> None:
    carrier: dict[str, Any] = {}
    recorded.tell(b.publish_started(carrier=carrier))
    recorded.tell(b.publish_finished())
    again: dict[str, Any] = {}
    recorded.tell(b.run_started(carrier=carrier, options=JobOptions(relation=relation)))
    recorded.tell(b.publish_started(key="nested", job=b.job(id="job-2"), carrier=again))
    recorded.tell(b.publish_finished(key="nested"))
    recorded.tell(b.run_finished())
    field = decode(again[c.FIELD])
    assert field is not None
    assert field.depth == depth


def test_publishes_without_spans_do_not_fill_the_trace_and_leave_a_full_one(recording: Callable[..., Recorded]) -> None:
    recorded = recording(trace_job_limit=1)
    recorded.tell(b.run_started())
    begins = []
    for number, options in enumerate([UNTRACED, UNTRACED, NOTHING, NOTHING, UNTRACED]):
        carrier: dict[str, Any] = {}
        recorded.tell(b.publish_started(key=number, job=b.job(id=f"x{number}"), carrier=carrier, options=options))
        recorded.tell(b.publish_finished(key=number))
        field = decode(carrier[c.FIELD])
        begins.append(field is not None and field.begins_trace)
    recorded.tell(b.run_finished())
    assert begins == [False, False, False, True, True]
