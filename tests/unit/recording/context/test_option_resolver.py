"""What users choose: no spans, no memory, arguments, a relation, hooks, and the job they are in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import jobspan
from jobspan import conventions as c
from jobspan.events import Arguments, CommandFinished, CommandStarted
from jobspan.job_options import JobOptions
from jobspan.jobs import Job
from jobspan.recording import Recorder
from jobspan.recording.attributes.arguments import attributes_of
from jobspan.recording.safety import dropped
from jobspan.settings import Settings
from support.by_pattern import ByPattern
from unit.recording import builders as b
from unit.recording.conftest import Recorded

UNTRACED = JobOptions(trace=False)


def travel(recorded: Recorded, body: Callable[[], None] = lambda: None, run: Any = None, **publish: Any) -> None:
    """Publish a job and run it where its message arrives."""
    carrier: dict[str, Any] = {}
    recorded.tell(b.publish_started(carrier=carrier, **publish))
    recorded.tell(b.publish_finished())
    recorded.tell(b.run_started(carrier=carrier, **(run or {})))
    body()
    recorded.tell(b.run_finished())


def nested(recorded: Recorded) -> Callable[[], None]:
    """Publish another job from inside."""

    def body() -> None:
        recorded.tell(b.publish_started(key="nested", job=b.job(id="job-2", name="nested")))
        recorded.tell(b.publish_finished(key="nested"))

    return body


def in_a_command(recorded: Recorded, body: Callable[[], None]) -> None:
    recorded.tell(CommandStarted("command", "mytool", {}, b.T0))
    body()
    recorded.tell(CommandFinished("command", 0, None, b.T0 + 9_000_000_000))


def _by_block(recorded: Recorded) -> None:
    carrier: dict[str, Any] = {}
    with jobspan.options(trace=False):
        recorded.tell(b.publish_started(carrier=carrier))
        recorded.tell(b.publish_finished())
    recorded.tell(b.run_started(carrier=carrier))
    nested(recorded)()
    recorded.tell(b.run_finished())


@pytest.mark.parametrize(
    ("settings", "work"),
    [
        ({}, lambda r: travel(r, nested(r), run={"options": UNTRACED}, options=UNTRACED)),
        ({"excluded_jobs": ("other", "send_*")}, lambda r: travel(r, nested(r))),
        ({}, _by_block),
    ],
    ids=["on the job", "excluded by name", "around the call"],
)
@pytest.mark.parametrize("relation", ["child+link", "link", "none"])
def test_a_job_without_spans_still_hands_on_command_and_context(
    recording: Callable[..., Recorded], settings: dict[str, Any], work: Callable[[Recorded], None], relation: str
) -> None:
    recorded = recording(relation=relation, **settings)
    before = trace.get_current_span()
    in_a_command(recorded, lambda: work(recorded))
    assert trace.get_current_span() is before
    publish, command = recorded.spans
    assert (publish.name, command.name) == ("publish nested", "mytool")
    assert publish.attributes[c.JOBSPAN_COMMAND_ID] == command.span_id
    assert publish.attributes[c.JOBSPAN_JOB_PARENT_ID] == "job-1"
    if relation == "child+link":
        assert (publish.trace_id, publish.parent_id) == (command.trace_id, command.span_id)
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 2


def test_other_names_than_the_excluded_are_traced(recording: Callable[..., Recorded]) -> None:
    recorded = recording(excluded_jobs=("send", "mail*", "SEND_*"))
    travel(recorded)
    assert [span.name for span in recorded.spans] == ["publish send_mail", "run send_mail"]


def test_a_job_told_from_outside_is_left_out_too(recording: Callable[..., Recorded]) -> None:
    from jobspan.events import JobDropped, RunLost
    from jobspan.jobs import Outcome

    recorded = recording(excluded_jobs=("send_mail",))
    recorded.tell(JobDropped(b.job(), b.REDIS, {}, "w1", Outcome.REVOKED, final=True, at_ns=b.T0))
    recorded.tell(RunLost(b.job(), b.REDIS, {}, "w1", Outcome.LOST, final=True, started_ns=b.T0, at_ns=b.T0 + 1))
    recorded.tell(
        JobDropped(b.job(name="b"), b.REDIS, {}, "w1", Outcome.REVOKED, final=True, at_ns=b.T0, options=UNTRACED)
    )
    assert recorded.spans == ()


def test_a_call_chooses_its_runs_relation_and_goes_before_the_job_and_the_setting(recorded: Recorded) -> None:
    with jobspan.options(relation="link"):
        travel(recorded, run={"options": JobOptions(relation="none")})
    publish, run = recorded.spans
    assert run.parent_id is None
    assert [(link.type, link.span_id) for link in run.links] == [(c.LINK_PUBLISH, publish.span_id)]


def test_a_retry_keeps_what_its_first_call_was_given(recorded: Recorded) -> None:
    first: dict[str, Any] = {}
    with jobspan.options(trace=False):
        recorded.tell(b.publish_started(carrier=first))
    recorded.tell(b.publish_finished())
    recorded.tell(b.run_started(carrier=first))
    second: dict[str, Any] = {}
    recorded.tell(b.publish_started(key="retry", job=b.job(attempt=2), carrier=second))
    recorded.tell(b.publish_finished(key="retry"))
    recorded.tell(b.run_finished())
    recorded.tell(b.run_started(carrier=second, job=b.job(attempt=2)))
    recorded.tell(b.run_finished())
    assert recorded.spans == ()
    assert dropped.counts() == {}


def test_without_memory_none_of_its_attributes_is_there(recorded: Recorded) -> None:
    travel(recorded, run={"options": JobOptions(memory=False)})
    assert [name for name in recorded.spans[1].attributes if ".memory." in name] == []
    travel(recorded)
    assert c.JOBSPAN_JOB_MEMORY_START in recorded.spans[3].attributes


def pay(card: str, api_token: str, *rest: Any) -> None: ...


def shown(recorded: Recorded, arguments: Arguments) -> tuple[Any, Any]:
    """Return what both spans of a job show of its arguments."""
    asked: dict[str, Any] = {"options": JobOptions(args=True), "arguments": lambda: arguments}
    travel(recorded, run=asked, **asked)
    publish, run = (
        (span.attributes.get(c.JOBSPAN_JOB_ARGS), span.attributes.get(c.JOBSPAN_JOB_KWARGS))
        for span in recorded.spans[-2:]
    )
    assert publish == run
    return run


SECRET = "s3cret-Zv9"
KEY = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (Arguments((4711, SECRET), {"n": 1}, pay), ("[4711, [redacted]]", "{'n': 1}")),
        (
            Arguments(("x",), {"user": {"password": SECRET, "tokens": [SECRET]}, "Authorization": SECRET}),
            ("['x']", "{'Authorization': [redacted], 'user': {'password': [redacted], 'tokens': [redacted]}}"),
        ),
        (
            Arguments((f"redis://me:{SECRET}@cache",), {"note": KEY}),
            ("['redis://[redacted]@cache']", "{'note': '[redacted]'}"),
        ),
        (Arguments((1, SECRET), {"b": 2}, pay, lambda: ("(1, ...)", "{hidden}")), ("(1, ...)", "{hidden}")),
        (Arguments((1, SECRET), {}, pay, lambda: (f"(1, '{SECRET}')", None)), ("[redacted]", "{}")),
        (Arguments(None, None), ("[]", "{}")),
    ],
)
def test_arguments_are_shown_without_secrets(
    recorded: Recorded, arguments: Arguments, expected: tuple[str, str]
) -> None:
    assert shown(recorded, arguments) == expected


def test_long_arguments_are_cut(recorded: Recorded) -> None:
    args, kwargs = shown(recorded, Arguments(("x" * 10_000, list(range(10_000))), {"a": {"b": "y" * 10**6}}))
    assert len(args) <= 1024
    assert len(kwargs) <= 1024


class Unprintable:
    """A value whose own methods raise."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __eq__(self, other: object) -> bool:
        raise self.error

    def __str__(self) -> str:
        raise self.error

    __hash__ = None  # type: ignore[assignment]  # as of a list


def test_a_secret_that_cannot_be_printed_or_compared_costs_no_span(recorded: Recorded) -> None:
    value = Unprintable(ArithmeticError("no"))
    assert shown(recorded, Arguments((1, value), {"token": value}, pay)) == (
        "[1, [redacted]]",
        "{'token': [redacted]}",
    )
    given = Arguments((1, value), {}, pay, lambda: ("(1, ...)", None))
    assert shown(recorded, given) == (None, None)
    assert dropped.counts() == {"unprintable_arguments": 2}


def test_an_interrupt_among_the_arguments_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobspan.recording.safety.interrupts._kinds", {ArithmeticError})
    value = Unprintable(ArithmeticError("the time limit"))
    with pytest.raises(ArithmeticError):
        attributes_of(lambda: Arguments((1, value), {}, pay, lambda: ("(1, ...)", None)))


def test_arguments_that_nobody_asked_for_are_not_even_read(recorded: Recorded) -> None:
    class Untouchable:
        def __repr__(self) -> str:
            raise AssertionError("read")

    arguments = Arguments((Untouchable(),), {})
    travel(recorded, run={"arguments": lambda: arguments}, arguments=lambda: arguments)
    assert all(c.JOBSPAN_JOB_ARGS not in span.attributes for span in recorded.spans)


class Hooked:
    """A recorder with hooks."""

    def __init__(self, **hooks: Any) -> None:
        self.provider = TracerProvider()
        self.tell: Any = Recorder(Settings(state_dir="off"), tracer_provider=self.provider, **hooks)


@pytest.mark.parametrize("is_by_pattern", [False, True])
def test_hooks_are_given_the_span_and_the_job_inside_the_spans_context(is_by_pattern: bool) -> None:
    seen: list[Any] = []

    def hook(span: trace.Span, job: Job) -> None:
        assert trace.get_current_span() is span
        seen.append((span.name, job.id))  # type: ignore[attr-defined]  # an SDK span

    hooked: Any = Hooked(publish_hook=hook, run_hook=hook)
    if is_by_pattern:
        hooked.tell = ByPattern(hooked.tell)
    travel(hooked)
    assert seen == [("publish send_mail", "job-1"), ("run send_mail", "job-1")]


def test_hooks_are_not_called_for_spans_that_are_not_recorded() -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    def hook(span: trace.Span, job: Job) -> None:
        raise AssertionError("called")

    hooked: Any = Hooked()
    hooked.tell = Recorder(
        Settings(state_dir="off"), tracer_provider=TracerProvider(sampler=ALWAYS_OFF), publish_hook=hook, run_hook=hook
    )
    travel(hooked)
    assert dropped.counts() == {}


def test_a_hook_that_raises_is_counted_and_the_job_goes_on() -> None:
    def hook(span: trace.Span, job: Job) -> None:
        raise ValueError(job.id)

    hooked: Any = Hooked(publish_hook=hook, run_hook=hook)
    travel(hooked)
    assert dropped.counts() == {"hook_error:user": 2}


def test_an_interrupt_in_a_hook_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def hook(span: trace.Span, job: Job) -> None:
        raise ArithmeticError

    monkeypatch.setattr("jobspan.recording.safety.interrupts._kinds", {ArithmeticError})
    hooked: Any = Hooked(run_hook=hook)
    before = trace.get_current_span()
    with pytest.raises(ArithmeticError):
        hooked.tell(b.run_started())
    hooked.tell(b.run_finished())
    assert trace.get_current_span() is before


def test_current_job_is_the_job_that_runs_and_its_run_span(recorded: Recorded) -> None:
    def body() -> None:
        with trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
            job = jobspan.current_job()
            assert job is not None
            assert (job.id, job.name, job.attempt) == ("job-1", "send_mail", 2)
            job.span.set_attribute("shop.order", 5)

    assert jobspan.current_job() is None
    in_a_command(recorded, lambda: assert_no_job(recorded))
    travel(recorded, body, run={"job": b.job(attempt=2)})
    assert jobspan.current_job() is None
    assert recorded.spans[-1].attributes["shop.order"] == 5


def assert_no_job(recorded: Recorded) -> None:
    assert jobspan.current_job() is None


@pytest.mark.parametrize("has_sdk", [True, False])
def test_current_job_of_a_job_without_a_span_takes_attributes_and_records_nothing(
    recorded: Recorded, has_sdk: bool
) -> None:
    tell: Any = recorded
    if not has_sdk:
        tell = Hooked()
        tell.tell = Recorder(Settings(state_dir="off"), tracer_provider=trace.NoOpTracerProvider())

    def body() -> None:
        job = jobspan.current_job()
        assert job is not None
        assert job.id == "job-1"
        job.span.set_attribute("shop.order", 5)

    travel(tell, body, run={"options": UNTRACED if has_sdk else JobOptions()}, options=UNTRACED)
    assert recorded.spans == ()
