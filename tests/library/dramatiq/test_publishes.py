"""Dramatiq in this process: every way in which a message is put, by whom, and on which broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dramatiq
import pytest
from dramatiq import Worker, pipeline
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import Retries

from jobspan import DramatiqInstrumentor
from jobspan.instrumentors.dramatiq.mapping import BrokerFacts
from jobspan.runs import Span
from library.conftest import Instrumentation
from support.waiting import wait_until

actor: Any = dramatiq.actor  # its overloads do not take a function and options together


def do_all(broker: Any, *, until: Any) -> None:
    """Let a worker in this process work until a condition holds."""
    worker = Worker(broker, worker_timeout=10, worker_threads=1)
    worker.start()
    try:
        wait_until(until, deadline_s=30, what="the runs end")
    finally:
        worker.stop()


def named(instrumentation: Instrumentation, name: str) -> list[Span]:
    """The spans of a name."""
    return [span for span in instrumentation.spans if span.name == name]


def test_each_step_of_a_pipeline_is_put_by_the_step_before_in_one_conversation(
    instrumentation: Instrumentation,
) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    steps = [actor(lambda *_: 1, actor_name=name, broker=broker) for name in ("one", "two", "three")]
    whole: Any = pipeline([step.message() for step in steps], broker=broker)
    whole.run()
    do_all(broker, until=lambda: named(instrumentation, "run three"))
    for before, after in (("one", "two"), ("two", "three")):
        assert (
            named(instrumentation, f"publish {after}")[0].parent_id
            == named(instrumentation, f"run {before}")[0].span_id
        )
    assert {span.attributes["messaging.message.conversation_id"] for span in instrumentation.spans} == {
        whole.messages[0].message_id
    }


def test_a_copied_message_is_put_with_a_carrier_of_its_own(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    job = actor(lambda: None, actor_name="job", broker=broker)
    broker.enqueue(job.send().copy(message_id="copy"))
    do_all(broker, until=lambda: len(named(instrumentation, "run job")) == 2)
    parents = {span.parent_id for span in named(instrumentation, "run job")}
    assert parents == {span.span_id for span in named(instrumentation, "publish job")}


def test_a_broker_made_before_that_is_not_the_global_one_is_instrumented_too(instrumentation: Instrumentation) -> None:
    broker = StubBroker()
    job = actor(lambda: None, actor_name="job", broker=broker)
    instrumentation.on(DramatiqInstrumentor())
    job.send()
    assert [span.name for span in instrumentation.spans] == ["publish job"]


def test_a_payload_that_cannot_be_serialised_is_an_error_of_the_publish(instrumentation: Instrumentation) -> None:
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    job = actor(lambda _: None, actor_name="job", broker=broker)
    with pytest.raises(TypeError):
        job.send(object())
    (publish,) = instrumentation.spans
    assert (publish.status, publish.attributes["error.type"]) == ("error", "TypeError")


def test_jobs_kept_in_a_database_are_recorded_too(instrumentation: Instrumentation, tmp_path: Path) -> None:
    sqlite = pytest.importorskip("dramatiq_sqlite", reason="needs dramatiq-sqlite")
    instrumentation.on(DramatiqInstrumentor())
    broker = sqlite.SQLiteBroker(url=f"sqlite://{tmp_path}/jobs.db")
    tries = iter([1])

    def once() -> None:
        if next(tries, None):
            raise ValueError("no")

    # Sooner, the broker's late acknowledgement of the first message would take the second one away.
    job = actor(once, actor_name="job", broker=broker, max_retries=1, min_backoff=1_000, max_backoff=1_000)
    job.send()
    do_all(broker, until=lambda: len(named(instrumentation, "run job")) == 2)
    assert [span.attributes["jobspan.job.outcome"] for span in named(instrumentation, "run job")] == [
        "retried",
        "succeeded",
    ]
    assert {span.attributes["messaging.system"] for span in instrumentation.spans} == {"sqlite"}
    assert len(named(instrumentation, "publish job")) == 2


def test_a_message_of_periodiq_names_its_schedule(instrumentation: Instrumentation) -> None:
    periodiq = pytest.importorskip("periodiq", reason="needs periodiq")
    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    broker.add_middleware(periodiq.PeriodiqMiddleware())
    job = actor(lambda: None, actor_name="job", broker=broker, periodic=periodiq.cron("* * * * *"))
    periodiq.Scheduler([job]).send_actors([job], periodiq.pendulum.now())
    do_all(broker, until=lambda: named(instrumentation, "run job"))
    said = {
        (span.attributes["jobspan.job.scheduled_by"], span.attributes["jobspan.job.schedule.name"])
        for span in instrumentation.spans
    }
    assert said == {("periodiq", "job")}


def test_an_aborted_message_is_revoked(instrumentation: Instrumentation) -> None:
    abort = pytest.importorskip("dramatiq_abort", reason="needs dramatiq-abort")
    from dramatiq_abort.backends import StubBackend  # type: ignore[import-untyped,unused-ignore]  # it has no types

    instrumentation.on(DramatiqInstrumentor())
    broker = StubBroker()
    abortable = abort.Abortable(backend=StubBackend())
    broker.add_middleware(abortable)
    job = actor(lambda: None, actor_name="job", broker=broker)
    message = job.send()
    abort.abort(message.message_id, middleware=abortable)
    do_all(broker, until=lambda: named(instrumentation, "run job"))
    (ran,) = named(instrumentation, "run job")
    assert (ran.attributes["jobspan.job.outcome"], ran.status, ran.start_ns) == ("revoked", "unset", ran.end_ns)


def test_how_often_a_job_may_run_is_what_limits_it_now() -> None:
    broker, words = StubBroker(), BrokerFacts()
    job = actor(lambda: None, actor_name="job", broker=broker)
    message = job.message()
    found = [words.max_attempts(broker, message)]
    (retries,) = [each for each in broker.middleware if isinstance(each, Retries)]
    retries.max_retries = 4
    found.append(words.max_attempts(broker, message))
    broker.middleware[broker.middleware.index(retries)] = Retries(max_retries=2)
    found.append(words.max_attempts(broker, message))
    job.options["max_retries"] = 1
    found.append(words.max_attempts(broker, message))
    del job.options["max_retries"]
    broker.middleware[:] = [each for each in broker.middleware if not isinstance(each, Retries)]
    found.append(words.max_attempts(broker, message))
    assert found == [21, 5, 3, 2, None]
