"""What is measured of publishes, runs, commands and ends: every run, sampled or not, in series of bounded number."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from jobspan import __version__
from jobspan import conventions as c
from jobspan.events import CommandFinished, CommandStarted, JobDropped, RunAbandoned, RunLost
from jobspan.job_options import JobOptions
from jobspan.jobs import Outcome
from jobspan.recording import Recorder
from jobspan.recording.sdk.pipeline import readers_of
from jobspan.recording.telemetry import process_counts
from jobspan.settings import Settings
from support.by_pattern import ByPattern
from support.otlp_values import Histogram, Point, points_of
from support.promised_points import breaches_of
from unit.recording import builders as b

JOB = {c.JOBSPAN_JOB_NAME: "send_mail", c.MESSAGING_DESTINATION_NAME: "mail", c.JOBSPAN_FRAMEWORK: "celery"}
PUBLISH = {c.MESSAGING_SYSTEM: "redis", c.MESSAGING_OPERATION_NAME: "publish", **JOB}
RUN = {c.MESSAGING_SYSTEM: "redis", c.MESSAGING_OPERATION_NAME: "run", **JOB}
Measured = dict[str, list[tuple[dict[str, Any], float]]]


class Observed:
    """A recorder, what it has measured, and its spans."""

    def __init__(self, settings: Settings, sampler: Any = ALWAYS_ON, *, is_by_pattern: bool = False) -> None:
        self._reader, self._spans = InMemoryMetricReader(), InMemorySpanExporter()
        tracing = TracerProvider(sampler=sampler)
        tracing.add_span_processor(SimpleSpanProcessor(self._spans))
        recorder = Recorder(settings, tracer_provider=tracing, meter_provider=MeterProvider([self._reader]))
        self.tell: Any = ByPattern(recorder) if is_by_pattern else recorder

    @property
    def points(self) -> list[Point]:
        """All data points now."""
        data = self._reader.get_metrics_data()
        points = [] if data is None else list(points_of(encode_metrics(data)))
        assert [breach for point in points for breach in breaches_of(point)] == []
        return points

    def of(self, metric: str) -> list[tuple[dict[str, Any], float]]:
        """Return attributes and value of each series; of a histogram how often something was measured."""
        return [
            (dict(point.attributes), point.value.count if isinstance(point.value, Histogram) else point.value)
            for point in self.points
            if point.name == metric
        ]

    @property
    def spans(self) -> dict[str, Any]:
        """All ended spans by name."""
        return {span.name: span for span in self._spans.get_finished_spans()}


@pytest.fixture(params=[False, True], ids=["whole", "by pattern"])
def observing(request: pytest.FixtureRequest) -> Iterator[Callable[..., Observed]]:
    """Make a recorder with a reader of its metrics; what a test leaves current ends with it."""
    process_counts.forget()
    token = otel_context.attach(Context())
    yield lambda sampler=ALWAYS_ON, **settings: Observed(
        Settings(state_dir="off", **settings), sampler, is_by_pattern=request.param
    )
    otel_context.detach(token)
    process_counts.forget()


@pytest.fixture
def observed(observing: Callable[..., Observed]) -> Observed:
    """A recorder with default settings."""
    return observing()


def run(observed: Observed, **facts: Any) -> None:
    """Let one job be put and run."""
    carrier: dict[str, Any] = {}
    observed.tell(b.publish_started(carrier=carrier, is_known=True))
    observed.tell(b.publish_finished())
    observed.tell(b.run_started(carrier=carrier, function="shop.send_mail", received_ns=b.T0 + 1_500_000_000))
    observed.tell(b.run_finished(**facts))


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
def test_a_job_is_measured_whether_or_not_it_is_sampled(observing: Callable[..., Observed], sampler: Any) -> None:
    observed = observing(sampler)
    run(observed)
    assert observed.of(c.METRIC_OPERATION_DURATION) == [(PUBLISH, 1)]
    ended = {**RUN, c.JOBSPAN_JOB_OUTCOME: "succeeded", c.JOBSPAN_JOB_FINAL: True}
    assert observed.of(c.METRIC_PROCESS_DURATION) == [(ended, 1)]
    assert observed.of(c.METRIC_JOB_WAIT) == [
        ({**JOB, c.JOBSPAN_WAIT_PHASE: "queued"}, 1),
        ({**JOB, c.JOBSPAN_WAIT_PHASE: "prefetched"}, 1),
    ]
    assert observed.of(c.METRIC_JOB_CPU_TIME) == [(JOB, 1)]
    ((said, number),) = observed.of(c.METRIC_JOB_MEMORY_PEAK)
    assert (said.pop(c.JOBSPAN_JOB_MEMORY_SOURCE) in {"exact", "sampled"}, said, number) == (True, JOB, 1)
    sums = {point.name: point.value.sum for point in observed.points if isinstance(point.value, Histogram)}
    assert (sums[c.METRIC_PROCESS_DURATION], sums[c.METRIC_OPERATION_DURATION]) == (1.0, 0.001)


def test_exemplars_point_at_the_span_of_the_run_and_of_the_publish(observed: Observed) -> None:
    run(observed)
    published, ran = (observed.spans[f"{name} send_mail"].context for name in ("publish", "run"))
    exemplars = {point.name: set(point.exemplars) for point in observed.points if point.type == "histogram"}
    expected = {(f"{ran.trace_id:032x}", f"{ran.span_id:016x}")}
    assert exemplars.pop(c.METRIC_OPERATION_DURATION) == {(f"{published.trace_id:032x}", f"{published.span_id:016x}")}
    assert exemplars == dict.fromkeys(exemplars, expected)


def test_what_is_not_sampled_is_nobodys_exemplar(observing: Callable[..., Observed]) -> None:
    observed = observing(ALWAYS_OFF)
    run(observed)
    assert [point for point in observed.points if point.exemplars] == []


@pytest.mark.parametrize("sampler", [ALWAYS_ON, ALWAYS_OFF])
@pytest.mark.parametrize(
    ("facts", "error_type"),
    [
        ({"outcome": Outcome.FAILED, "error": KeyError("no")}, "KeyError"),
        ({"outcome": Outcome.FAILED_EXPECTED, "error": KeyError("no")}, None),
        ({"outcome": Outcome.TIMED_OUT, "error": RuntimeError("late")}, "timeout"),
        ({"outcome": Outcome.RETRIED, "final": False, "error": OSError("again")}, "OSError"),
        ({"outcome": Outcome.RETRIED, "final": False}, None),
        ({"outcome": Outcome.REJECTED}, "_OTHER"),
        ({"outcome": Outcome.REJECTED, "is_asked_for": True}, None),
        ({"outcome": Outcome.UNROUTABLE, "error_type": "unknown_job"}, "unknown_job"),
    ],
)
def test_a_runs_error_type_is_the_same_on_span_and_metric(
    observing: Callable[..., Observed], sampler: Any, facts: dict[str, Any], error_type: str | None
) -> None:
    observed = observing(sampler)
    run(observed, **facts)
    ((said, number),) = observed.of(c.METRIC_PROCESS_DURATION)
    assert (said.get(c.ERROR_TYPE), number) == (error_type, 1)
    assert said[c.JOBSPAN_JOB_OUTCOME] == facts["outcome"].value
    if sampler is ALWAYS_ON:
        assert observed.spans["run send_mail"].attributes.get(c.ERROR_TYPE) == error_type


def test_a_publish_that_failed_is_measured_with_its_error(observed: Observed) -> None:
    observed.tell(b.publish_started())
    observed.tell(b.publish_finished(error=ConnectionError("gone")))
    assert observed.of(c.METRIC_OPERATION_DURATION) == [({**PUBLISH, c.ERROR_TYPE: "ConnectionError"}, 1)]
    assert observed.spans["publish send_mail"].attributes[c.ERROR_TYPE] == "ConnectionError"


def test_publishes_that_are_summarised_are_measured_one_by_one(observing: Callable[..., Observed]) -> None:
    observed = observing(trace_job_limit=2)
    observed.tell(b.run_started(job=b.job(name="outer")))
    for number in range(5):
        observed.tell(b.publish_started(key=number))
        observed.tell(b.publish_finished(key=number))
    assert observed.of(c.METRIC_OPERATION_DURATION) == [(PUBLISH, 5)]


def test_retries_and_dead_letters_are_counted_with_their_error(observed: Observed) -> None:
    again = {"outcome": Outcome.RETRIED, "final": False, "error": OSError("again")}
    run(observed, **again)
    run(observed, **again)
    run(observed, outcome=Outcome.TIMED_OUT, final=False)
    run(observed, outcome=Outcome.INTERRUPTED, final=False)
    run(observed, outcome=Outcome.FAILED, error=OSError("again"), dead_lettered=True)
    assert observed.of(c.METRIC_JOB_RETRIES) == [
        ({**JOB, c.ERROR_TYPE: "OSError"}, 2),
        ({**JOB, c.ERROR_TYPE: "timeout"}, 1),
    ]
    assert observed.of(c.METRIC_JOB_DEAD_LETTERS) == [({**JOB, c.ERROR_TYPE: "OSError"}, 1)]


def test_a_job_that_never_began_is_dropped_and_has_no_duration(observed: Observed) -> None:
    run(observed, outcome=Outcome.EXPIRED, has_run=False)
    assert observed.of(c.METRIC_JOB_DROPPED) == [({**JOB, c.JOBSPAN_JOB_OUTCOME: "expired"}, 1)]
    # The active jobs are of the process: there, if another test has run a job in it.
    names = {point.name for point in observed.points} - {c.METRIC_JOB_ACTIVE}
    assert names == {c.METRIC_OPERATION_DURATION, c.METRIC_JOB_DROPPED, c.METRIC_JOB_WAIT}
    assert [said[c.JOBSPAN_WAIT_PHASE] for said, _ in observed.of(c.METRIC_JOB_WAIT)] == ["queued"]


def test_names_that_only_a_message_knows_are_one_series(observed: Observed) -> None:
    facts: dict[str, Any] = {"final": True, "at_ns": b.T0, "error_type": "unknown_job", "dead_lettered": True}
    for number in range(3):
        job = b.job(name=f"garbage-{number}")
        observed.tell(JobDropped(job, b.REDIS, {}, "w1", Outcome.UNROUTABLE, **facts))
    other = {**JOB, c.JOBSPAN_JOB_NAME: "_other"}
    assert observed.of(c.METRIC_JOB_DROPPED) == [({**other, c.JOBSPAN_JOB_OUTCOME: "unroutable"}, 3)]
    assert observed.of(c.METRIC_JOB_DEAD_LETTERS) == [({**other, c.ERROR_TYPE: "unknown_job"}, 3)]


def test_of_jobs_that_a_publisher_does_not_know_itself_the_first_two_hundred_have_series(observed: Observed) -> None:
    for number in range(1_000):
        observed.tell(b.publish_started(job=b.job(name=f"elsewhere-{number}")))
        observed.tell(b.publish_finished())
    found = {said[c.JOBSPAN_JOB_NAME]: number for said, number in observed.of(c.METRIC_OPERATION_DURATION)}
    assert (len(found) <= 201, sum(found.values()), found["_other"] >= 800) == (True, 1_000, True)
    observed.tell(b.publish_started(job=b.job(name="my_own"), is_known=True))
    observed.tell(b.publish_finished())
    assert "my_own" in {said[c.JOBSPAN_JOB_NAME] for said, _ in observed.of(c.METRIC_OPERATION_DURATION)}


def test_open_runs_are_active_until_they_end_and_are_then_told_as_none(observed: Observed) -> None:
    untraced = {"job": b.job(queue="quiet"), "options": JobOptions(trace=False)}
    observed.tell(b.run_started(key=1))
    observed.tell(b.run_started(key=2))
    observed.tell(b.run_started(key=3, **untraced))
    quiet = {**JOB, c.MESSAGING_DESTINATION_NAME: "quiet"}
    assert mine(observed) == [(JOB, 2), (quiet, 1)]
    observed.tell(b.run_finished(key=1))
    observed.tell(RunAbandoned(2))
    observed.tell(b.run_finished(key=3))
    assert mine(observed) == [(JOB, 0), (quiet, 0)]


def mine(observed: Observed) -> list[tuple[dict[str, Any], float]]:
    """Return the active runs of this test: others of this process may have left some open."""
    return [(said, number) for said, number in observed.of(c.METRIC_JOB_ACTIVE) if said in QUEUES]


QUEUES = [JOB, {**JOB, c.MESSAGING_DESTINATION_NAME: "quiet"}]


def test_a_run_told_for_another_process_is_counted_and_has_no_duration(observed: Observed) -> None:
    facts: dict[str, Any] = {"job": b.job(), "broker": b.REDIS, "carrier": {}, "worker": "w1", "started_ns": b.T0}
    observed.tell(RunLost(outcome=Outcome.TIMED_OUT, final=True, at_ns=b.T0 + 10, **facts))
    observed.tell(RunLost(outcome=Outcome.LOST, final=False, at_ns=b.T0 + 10, **facts))
    ended = {**JOB, c.JOBSPAN_JOB_FINAL: True, c.JOBSPAN_JOB_OUTCOME: "timed_out"}
    assert observed.of(c.METRIC_JOB_CUT_OFF) == [(ended, 1)]
    assert observed.of(c.METRIC_JOB_LOST) == [({**JOB, c.JOBSPAN_JOB_FINAL: False}, 1)]
    assert observed.of(c.METRIC_PROCESS_DURATION) == []


def test_a_run_whose_end_is_told_twice_is_measured_once(observed: Observed) -> None:
    run(observed)
    observed.tell(b.run_finished())
    assert [number for _, number in observed.of(c.METRIC_PROCESS_DURATION)] == [1]


def test_a_command_is_measured_with_its_exit_code(observed: Observed) -> None:
    observed.tell(CommandStarted("command", "shop import", {}, b.T0))
    observed.tell(CommandFinished("command", 3, None, b.T0 + 2_000_000_000))
    said = {c.JOBSPAN_COMMAND_NAME: "shop import", c.PROCESS_EXIT_CODE: 3}
    (point,) = (point for point in observed.points if point.name == c.METRIC_COMMAND_DURATION)
    span = observed.spans["shop import"].context
    assert isinstance(point.value, Histogram)
    assert (point.attributes, point.value.count, point.value.sum) == (said, 1, 2.0)
    assert point.exemplars == ((f"{span.trace_id:032x}", f"{span.span_id:016x}"),)


@pytest.mark.parametrize(("readers", "is_measured"), [(0, False), (1, True)])
def test_while_nobody_collects_no_instrument_is_made(readers: int, is_measured: bool) -> None:
    provider = MeterProvider([InMemoryMetricReader() for _ in range(readers)])
    tell = Recorder(Settings(state_dir="off"), tracer_provider=TracerProvider(), meter_provider=provider)
    tell(b.run_started())
    tell(b.run_finished())
    meter: Any = provider.get_meter(c.SCOPE, __version__, c.SCHEMA_URL)
    made = {instrument.name for instrument in meter._instrument_id_instrument.values()}
    assert c.METRIC_JOB_ACTIVE in made
    assert (c.METRIC_PROCESS_DURATION in made) is is_measured


def test_without_a_provider_jobs_go_on() -> None:
    tell = Recorder(Settings(state_dir="off"), tracer_provider=TracerProvider(), meter_provider=NoOpMeterProvider())
    tell(b.run_started())
    tell(b.run_finished())


FORK = """
import os, sys
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from jobspan.recording import Recorder
from jobspan.settings import Settings
from unit.recording import builders as b
from jobspan.events import JobDropped
from jobspan.jobs import Outcome

reader = InMemoryMetricReader()
tell = Recorder(Settings(state_dir="off"), tracer_provider=TracerProvider())
set_meter_provider(MeterProvider([reader]))

def put():
    tell(b.publish_started())
    tell(b.publish_finished())

def told(who):
    data = reader.get_metrics_data()
    metrics = [] if data is None else [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    numbers = {m.name.rpartition("jobspan.")[2]: [getattr(p, "count", None) or p.value for p in m.data.data_points]
               for m in metrics}
    print(who, sorted(numbers.items()), flush=True)

put()
put()
tell(b.run_started())
tell(JobDropped(b.job(), b.REDIS, {}, "w1", Outcome.REVOKED, final=True, at_ns=b.T0))
reader.get_metrics_data()
child = os.fork()
if child == 0:
    told("new child")
    put()
    told("child")
    os._exit(0)
os.waitpid(child, 0)
put()
told("parent")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_reports_nothing_that_its_parent_counted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK],
        env={**os.environ, "PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "new child []",
        "child [('messaging.client.operation.duration', [1])]",
        "parent [('job.active', [1]), ('job.dropped', [1]), ('messaging.client.operation.duration', [3])]",
    ], done.stderr


def test_the_readers_of_a_provider_are_found_whatever_the_sdks_version() -> None:
    reader = InMemoryMetricReader()
    assert list(readers_of(MeterProvider([reader]))) == [reader]
