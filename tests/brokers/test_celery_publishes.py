"""Real workers: every workflow has one publish and one run a job; members, schedules and long traces are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_command, is_publish, is_publish_batch, is_run
from support.otlp import Collector
from support.servers import Broker
from support.stage import Stage
from support.waiting import wait_until
from support.workers import TESTS, script

APP = "apps.celery_canvas"
COMMAND = str(TESTS / "apps" / "celery_canvas.py")
UNLOCK = "celery.chord_unlock"
# What celery.starmap calls is a part of its own run.
WORKFLOWS = {
    "chain": {"note": 3},
    "group": {"note": 1, "again": 2},
    "chord": {"note": 2, "again": 2, "total": 1},
    "lazy chord": {"note": 3, "total": 1},
    "nested": {"note": 5, "total": 1},
    "grow": {"grow": 1, "note": 2, "total": 1},
    "replace": {"give_way": 1, "note": 2, "total": 1},
    "chunks": {"celery.starmap": 2},
    "starmap": {"celery.starmap": 1},
    "link": {"note": 2},
    "link_error": {"break_down": 1, "note": 1},
}


def runs_of(stage: Stage, number: int) -> list[Span]:
    """Wait for so many run spans, besides those of tasks that only poll."""

    def found() -> list[Span]:
        return [s for s in stage.collector.spans if is_run(s) and s.attributes[c.JOBSPAN_JOB_NAME] != UNLOCK]

    wait_until(lambda: len(found()) >= number, deadline_s=30, what=f"{number} run spans arrive")
    wait_until(lambda: is_whole(stage.collector.spans), deadline_s=10, what="what those spans name arrives")
    return found()


def is_whole(spans: tuple[Span, ...]) -> bool:
    """Say whether every parent and every end of a link has arrived: processes export by themselves."""
    named = {s.parent_id for s in spans if s.parent_id} | {link.span_id for s in spans for link in s.links}
    return named <= {s.span_id for s in spans}


def job_of(span: Span) -> tuple[str, str, int]:
    """What makes a publish and its run a pair."""
    a = span.attributes
    return a[c.MESSAGING_MESSAGE_ID], a[c.JOBSPAN_JOB_NAME], a[c.JOBSPAN_JOB_ATTEMPT]


def names_of(spans: list[Span]) -> Counter[str]:
    """How many of each name."""
    return Counter(span.attributes[c.JOBSPAN_JOB_NAME] for span in spans)


def assert_pairs(spans: tuple[Span, ...]) -> None:
    """Each run has the one publish of its job above it, on the same queue; nothing was published for nobody."""
    runs, publishes = [s for s in spans if is_run(s)], {s.span_id: s for s in spans if is_publish(s)}
    above = {s.span_id: s for s in spans}
    assert Counter(map(job_of, runs)) == Counter(map(job_of, publishes.values()))
    for run in runs:
        publish = publishes[str(run.parent_id)]
        assert job_of(run) == job_of(publish)
        assert run.attributes[c.MESSAGING_DESTINATION_NAME] == publish.attributes[c.MESSAGING_DESTINATION_NAME]
        assert [link.span_id for link in run.links if link.type == c.LINK_PUBLISH] == [publish.span_id]
        previous = [above[link.span_id] for link in run.links if link.type == c.LINK_PREVIOUS_ATTEMPT]
        assert [(*job_of(s)[:2], job_of(s)[2] + 1) for s in previous] == [job_of(run)] * (job_of(run)[2] - 1)
    for publish in publishes.values():
        parent = above[str(publish.parent_id)]
        parent = above[str(parent.parent_id)] if is_publish_batch(parent) else parent
        assert is_run(parent) or is_command(parent)
        assert publish.attributes.get(c.JOBSPAN_JOB_PARENT_ID) == expected_parent(parent, publish)


def expected_parent(parent: Span, publish: Span) -> str | None:
    """A retry and a replacement keep the parent of the first attempt."""
    if is_command(parent):
        return None
    if parent.attributes[c.MESSAGING_MESSAGE_ID] == publish.attributes[c.MESSAGING_MESSAGE_ID]:
        return parent.attributes.get(c.JOBSPAN_JOB_PARENT_ID)
    return str(parent.attributes[c.MESSAGING_MESSAGE_ID])


def assert_bodies_are_linked(spans: tuple[Span, ...], bodies: int) -> None:
    """The publish and the run of each chord's body link to all that its header put, and nobody else to members."""
    chords = {s.span_id for s in spans if is_publish_batch(s) and s.name == "publish batch celery.chord"}
    members: dict[str, set[str]] = {chord: set() for chord in chords}
    for span in spans:
        if span.parent_id in chords and span.attributes[c.JOBSPAN_JOB_NAME] != UNLOCK:
            members[str(span.parent_id)].add(span.span_id)
    expected = Counter(map(frozenset, members.values()))
    assert expected.total() == bodies
    for is_kind in (is_publish, is_run):
        linked = [{link.span_id for link in s.links if link.type == c.LINK_MEMBER} for s in spans if is_kind(s)]
        assert Counter(frozenset(links) for links in linked if links) == expected


@pytest.mark.parametrize("join", ["native", "polling"])
def test_workflows_have_a_publish_and_a_run_a_job(stage: Stage, join: str) -> None:
    stage.set(TEST_RESULTS=stage.broker.url if join == "native" else f"db+sqlite:///{stage.folder / 'results.db'}")
    stage.celery(app=APP, expect=(r"^ValueError: broken", r"^celery\.exceptions\."))
    workflows = [name for name in WORKFLOWS if join == "native" or name in ("chain", "chord", "lazy chord", "nested")]
    expected = sum((Counter(WORKFLOWS[name]) for name in workflows), Counter[str]())
    assert stage.run("python", COMMAND, "put", *workflows) == 0
    assert names_of(runs_of(stage, expected.total())) == expected
    if join == "polling":
        wait_until(lambda: unlocked(stage) == 3, deadline_s=20, what="the polling tasks end")
    assert_pairs(stage.collector.spans)
    assert_bodies_are_linked(stage.collector.spans, sum("total" in WORKFLOWS[name] for name in workflows))
    assert len({span.trace_id for span in stage.collector.spans}) == 1


def unlocked(stage: Stage) -> int:
    """How many polling tasks have succeeded."""
    runs = [s for s in stage.collector.spans if is_run(s) and s.attributes[c.JOBSPAN_JOB_NAME] == UNLOCK]
    return sum(s.attributes[c.JOBSPAN_JOB_OUTCOME] == "succeeded" for s in runs)


def test_topic_exchanges_name_the_queue_where_it_is_known(rabbitmq_stage: Stage) -> None:
    rabbitmq_stage.celery(app=APP, queues="work,orders,paid")
    rabbitmq_stage.run("python", COMMAND, "put", "topic", "routed")
    runs_of(rabbitmq_stage, 2)
    assert_pairs(rabbitmq_stage.collector.spans)
    told = sorted(
        (s.kind, s.attributes[c.MESSAGING_DESTINATION_NAME], s.attributes.get(c.MESSAGING_RABBITMQ_ROUTING_KEY))
        for s in rabbitmq_stage.collector.spans
        if is_run(s) or is_publish(s)
    )
    places = [("order.paid.late", None), ("orders", "order.new")]
    assert told == [(kind, *place) for kind in ("consumer", "producer") for place in places]


def test_a_command_that_puts_three_thousand_is_a_trace_of_a_thousand_and_batches(stage: Stage) -> None:
    stage.celery(app=APP)
    assert stage.run("python", COMMAND, "many", "3000") == 0
    runs = runs_of(stage, 3000)
    spans = stage.collector.spans
    (command,) = filter(is_command, spans)
    publishes, batches = list(filter(is_publish, spans)), list(filter(is_publish_batch, spans))
    assert (len(runs), len(publishes)) == (3000, 1000)
    assert sum(batch.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] for batch in batches) == 2000
    assert 2 <= len(batches) <= 10
    assert {(s.kind, s.parent_id) for s in (*publishes, *batches)} == {("producer", command.span_id)}
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == 3000
    nested = [run for run in runs if run.trace_id == command.trace_id]
    linked = [run for run in runs if run.trace_id != command.trace_id]
    assert {run.parent_id for run in nested} == {publish.span_id for publish in publishes}
    assert (len(linked), len({run.trace_id for run in linked})) == (2000, 2000)
    assert {run.parent_id for run in linked} == {None}
    assert Counter(link.span_id for run in linked for link in run.links) == {
        batch.span_id: batch.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] for batch in batches
    }
    assert {run.attributes[c.JOBSPAN_COMMAND_ID] for run in runs} == {command.span_id}


def assert_ticks(stage: Stage, entry: str) -> None:
    """Each tick is a trace of its own, of a publish and a run that name the entry."""
    runs_of(stage, 2)
    # Beat goes on: a tick's run may arrive before its publish.
    puts = {span.span_id: span for span in stage.collector.spans if is_publish(span)}
    ticks = [span for span in stage.collector.spans if is_run(span) and span.parent_id in puts]
    assert len(ticks) >= 2
    for run in ticks:
        publish = puts[str(run.parent_id)]
        assert publish.parent_id is None
        for span in (run, publish):
            said = span.attributes
            assert (said[c.JOBSPAN_JOB_SCHEDULED_BY], said[c.JOBSPAN_JOB_SCHEDULE_NAME]) == ("beat", entry)
            assert c.JOBSPAN_COMMAND_ID not in said
    assert len({run.trace_id for run in ticks}) == len(ticks)


def test_beat_names_its_entries(stage: Stage) -> None:
    stage.set(TEST_BEAT="true")
    stage.celery(app=APP)
    stage.program(script("celery"), "-A", APP, "beat", "--schedule", str(stage.folder / "ticks"), name="beat")
    assert_ticks(stage, "every moment")


def test_beat_inside_a_worker_names_its_entries(stage: Stage) -> None:
    stage.set(TEST_BEAT="true")
    stage.celery(app=APP, args=["--beat", "--schedule", str(stage.folder / "ticks")])
    assert_ticks(stage, "every moment")


def test_beat_in_the_background_names_its_entries(stage: Stage) -> None:
    stage.set(TEST_BEAT="true")
    stage.celery(app=APP)
    written, ticks = stage.folder / "beat.pid", stage.folder / "ticks"
    command = (script("celery"), "-A", APP, "beat", "--detach", "--pidfile", str(written), "--schedule", str(ticks))
    assert stage.program(*command, name="beat").wait() == 0
    # Only now: a program that is stopped takes its group along, and beat may not have left it when the first one ends.
    wait_until(lambda: written.exists() and written.read_text(), deadline_s=10, what="beat writes its pid")
    beat = psutil.Process(int(written.read_text()))
    try:
        assert_ticks(stage, "every moment")
    finally:
        beat.kill()
        beat.wait(10)


def test_beat_with_a_schedule_in_djangos_database_names_its_entries(stage: Stage) -> None:
    stage.set(DJANGO_SETTINGS_MODULE="apps.django_settings")
    assert stage.run("python", str(TESTS / "apps" / "django_beat.py")) == 0
    stage.celery(app=APP)
    scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
    stage.program(script("celery"), "-A", APP, "beat", "--scheduler", scheduler, "--max-interval", "1", name="beat")
    assert_ticks(stage, "from the database")


@pytest.fixture(params=["filesystem", "sqlalchemy"])
def serverless_stage(request: pytest.FixtureRequest, collector: Collector, tmp_path: Path) -> Iterator[Stage]:
    """A stage whose jobs wait in files or in a database."""
    for folder in ("in", "control"):
        (tmp_path / folder).mkdir()
    url = "filesystem://" if request.param == "filesystem" else f"sqla+sqlite:///{tmp_path / 'queue.db'}"
    stage = Stage(Broker(system=request.param, url=url, host="", port=0), collector, tmp_path)
    try:
        yield stage
    finally:
        stage.close()


def test_transports_without_a_server_are_told_as_well(serverless_stage: Stage, request: pytest.FixtureRequest) -> None:
    serverless_stage.celery(app=APP, pool="solo", concurrency=1)
    serverless_stage.run("python", COMMAND, "put", "chain")
    runs = runs_of(serverless_stage, 3)
    assert_pairs(serverless_stage.collector.spans)
    system = request.node.callspec.params["serverless_stage"]
    assert {run.attributes["messaging.system"] for run in runs} == {system}
