"""The keystone: events → recorder → OTLP, protobuf or JSON → store → runs equals what the events said."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator

from backends.kept_store import Kept
from backends.otlp_requests import otlp_json
from jobspan.backends.base import Match, RunFilter
from jobspan.events import (
    CommandFinished,
    CommandStarted,
    PublishFinished,
    PublishStarted,
    RunFinished,
    RunStarted,
)
from jobspan.jobs import Broker, Framework, Job, Outcome, has_failed
from jobspan.recording import Recorder
from jobspan.runs import command_from_span, is_command, is_publish, publish_from_span
from jobspan.server.receive.bodies import parse_json
from jobspan.settings import Settings

T0 = 1_790_000_000_000_000_000
BROKER = Broker("redis", "localhost", 6379)
MS = 1_000_000
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=30)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run as it is to happen; times in milliseconds after the one before."""

    waited_ms: int
    received_after_ms: int | None
    ran_ms: int
    outcome: Outcome
    message: str | None


@dataclass(frozen=True, slots=True)
class JobStory:
    """One job, and all that becomes of it."""

    framework: Framework
    name: str
    queue: str
    delay_ms: int | None
    publish_error: str | None
    attempts: tuple[Attempt, ...]


_OUTCOMES = st.sampled_from([o for o in Outcome if o is not Outcome.RETRIED])
_ATTEMPT = st.builds(
    Attempt,
    waited_ms=st.integers(0, 100_000),
    received_after_ms=st.none() | st.integers(0, 1000),
    ran_ms=st.integers(0, 100_000),
    outcome=_OUTCOMES,
    message=st.none() | TEXT,
)
_JOB = st.builds(
    JobStory,
    framework=st.sampled_from(Framework),
    name=TEXT,
    queue=TEXT,
    delay_ms=st.none() | st.integers(0, 50_000),
    publish_error=st.none() | TEXT,
    attempts=st.lists(_ATTEMPT, min_size=1, max_size=3).map(tuple),
)


class OwnIds(IdGenerator):
    """Ids that are new in every example: Hypothesis seeds the generator that the SDK draws from."""

    def generate_span_id(self) -> int:
        return secrets.randbits(64) | 1

    def generate_trace_id(self) -> int:
        return secrets.randbits(128) | 1


class Environment:
    """Tells a recorder what happens and writes down what must be read back."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(
            resource=Resource({"service.name": "round-trip", "host.name": "here"}), id_generator=OwnIds()
        )
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tell = Recorder(Settings(state_dir="off"), tracer_provider=provider)
        self.runs: list[dict[str, Any]] = []
        self.publishes: list[dict[str, Any]] = []
        self.command: dict[str, Any] = {}

    def keep(self, *, as_json: bool) -> None:
        """Send all spans to the store, then a part of them again in OTLP's other encoding."""
        spans = self._exporter.get_finished_spans()
        for some, in_json in ((spans, as_json), (spans[: len(spans) // 2], not as_json)):
            request = encode_spans(some)
            self._kept.keep(parse_json("traces", json.dumps(otlp_json(request)).encode()) if in_json else request)

    def live(self, name: str, exit_code: int, stories: list[JobStory]) -> None:
        """A command puts the jobs; then workers run them."""
        self.tell(CommandStarted("command", name, {}, T0))
        put = [self.publish(story, number) for number, story in enumerate(stories)]
        self.tell(CommandFinished("command", exit_code, None, T0 + 10_000 * MS))
        failures = sum(story.publish_error is not None for story in stories)
        self.command = {
            "name": name,
            "start_ns": T0,
            "end_ns": T0 + 10_000 * MS,
            "exit_code": exit_code,
            "published": len(stories) - failures,
            "failed_to_publish": failures,
            "error_type": str(exit_code) if exit_code else None,
            "host": "here",
            "service": "round-trip",
        }
        for story, (job, carrier) in zip(stories, put, strict=True):
            if story.publish_error is None:
                self.run(name, story, job, carrier)

    def publish(self, story: JobStory, number: int) -> tuple[Job, dict[str, Any]]:
        """One job is handed over, or not."""
        at = T0 + number * MS
        scheduled = None if story.delay_ms is None else at + story.delay_ms * MS
        job = Job(
            story.framework, story.queue, story.name, str(uuid.UUID(int=secrets.randbits(128))), scheduled_ns=scheduled
        )
        carrier: dict[str, Any] = {}
        self.tell(PublishStarted("publish", job, BROKER, carrier, at))
        error = None if story.publish_error is None else ConnectionError(story.publish_error)
        self.tell(PublishFinished("publish", error, at + MS))
        self.publishes.append(
            {
                "job_id": job.id,
                "job_name": job.name,
                "framework": story.framework.value,
                "queue": job.queue,
                "start_ns": at,
                "end_ns": at + MS,
                "error_type": None if error is None else "ConnectionError",
                "failure": story.publish_error,
            }
        )
        return job, carrier

    def run(self, command: str, story: JobStory, job: Job, carrier: dict[str, Any]) -> None:
        """All attempts of one job, each but the last followed by a retry."""
        put_ns = self.publishes[[p["job_id"] for p in self.publishes].index(job.id)]["start_ns"]
        for number, attempt in enumerate(story.attempts, 1):
            last = number == len(story.attempts)
            outcome = attempt.outcome if last else Outcome.RETRIED
            now_job = job._replace(attempt=number)
            due = max(put_ns, job.scheduled_ns or 0)
            received = None if attempt.received_after_ms is None else due + attempt.received_after_ms * MS
            start = (received or due) + attempt.waited_ms * MS
            end = start + attempt.ran_ms * MS
            error = None if attempt.message is None else ValueError(attempt.message)
            self.tell(RunStarted("run", now_job, BROKER, carrier, "worker", start, received_ns=received))
            again: dict[str, Any] = dict(carrier)
            if not last:
                job = job._replace(scheduled_ns=None)
                put_ns = end
                self.tell(PublishStarted("again", job._replace(attempt=number + 1), BROKER, again, end))
                self.tell(PublishFinished("again", None, end))
            self.tell(RunFinished("run", outcome, last, end, error=error))
            self._expect(
                command, now_job, attempt, outcome, last=last, due=due, received=received, start=start, end=end
            )
            carrier = again

    def _expect(
        self,
        command: str,
        job: Job,
        attempt: Attempt,
        outcome: Outcome,
        *,
        last: bool,
        due: int,
        received: int | None,
        start: int,
        end: int,
    ) -> None:
        has_erred = outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.UNROUTABLE, Outcome.REJECTED)
        has_erred = has_erred or (outcome is Outcome.RETRIED and attempt.message is not None)
        words = {Outcome.TIMED_OUT: "timeout", Outcome.LOST: "worker_lost"}
        kind = words.get(outcome) or ("ValueError" if attempt.message is not None else "_OTHER")
        self.runs.append(
            {
                "job_id": job.id,
                "job_name": job.name,
                "framework": job.framework.value,
                "queue": job.queue,
                "attempt": job.attempt,
                "outcome": outcome.value,
                "final": last,
                "failed": has_failed(outcome, final=last, is_error=has_erred),
                "start_ns": start,
                "end_ns": end,
                "wait_queued_s": pytest.approx(((received or start) - due) / 1e9, abs=0.001),
                "wait_prefetched_s": None if received is None else pytest.approx((start - received) / 1e9, abs=0.001),
                "error_type": kind if has_erred else None,
                "failure": attempt.message,
                "worker": "worker",
                "command_name": command,
                "service": "round-trip",
            }
        )


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """One store for all examples: their ids are their own."""
    found = Kept(tmp_path_factory.mktemp("round-trip") / "kept.duckdb")
    yield found
    found.store.close()


def read(value: Any, expected: dict[str, Any]) -> dict[str, Any]:
    """Return those fields of what was read that are expected; of a failure its message."""
    found = {name: getattr(value, name) for name in expected}
    if found.get("failure") is not None:
        found["failure"] = found["failure"].message
    return found


def by_job(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order rows that have no order of their own."""
    return sorted(rows, key=lambda row: (str(row["job_id"]), row.get("attempt", 0)))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT, exit_code=st.integers(0, 255), stories=st.lists(_JOB, min_size=1, max_size=5), as_json=st.booleans())
def test_what_the_events_said_is_what_the_store_tells(
    kept: Kept, name: str, exit_code: int, stories: list[JobStory], as_json: bool
) -> None:
    world = Environment(kept)
    world.live(name, exit_code, stories)
    world.keep(as_json=as_json)
    job_ids = {publish["job_id"] for publish in world.publishes}
    stories_of_jobs = [kept.reader.story(Match("job", job_id)) for job_id in job_ids]
    (command_id,) = {str(span.attributes["jobspan.command.id"]) for story in stories_of_jobs for span in story}

    story = kept.reader.story(Match("command", command_id))
    (command,) = [command_from_span(span) for span in story if is_command(span)]
    assert read(command, world.command) == world.command

    first = [
        publish_from_span(span) for span in story if is_publish(span) and span.attributes["jobspan.job.attempt"] == 1
    ]
    assert by_job([read(found, world.publishes[0]) for found in first]) == by_job(world.publishes)

    runs = kept.reader.runs(RunFilter(commands=(command_id,)))
    if world.runs or runs:
        assert by_job([read(run, world.runs[0]) for run in runs]) == by_job(world.runs)
    assert len({span.span_id for span in story}) == len(story)
