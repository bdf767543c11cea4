"""What real workers did, read from every backend that it can be kept in: the same runs, commands and stories."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from backends.kept_store import Kept
from backends.otlp_server import Server
from jobspan import conventions as c
from jobspan.backends import open_backend
from jobspan.backends.base import Backend, Counts, Match, RunFilter
from jobspan.runs import Span, is_command, is_run
from support.compare import assert_true
from support.jaeger import Jaeger
from support.otlp import Collector
from support.servers import Redis
from support.stable_jaeger import stable_jaeger
from support.stage import Stage
from support.tempo import Tempo
from support.waiting import wait_until
from unit.cli.typing_at import typed

_PUT = (
    "celery:ok",
    "celery:fail",
    "celery:exhaust",
    "celery:retry_then_succeed",
    "celery:nest=2",
    "dramatiq:ok",
    "dramatiq:fail",
)
_RUNS, _SPANS = 11, 24
"""What these put: among the runs are the attempts before a retry; each has a publish, and each command a span."""


@dataclass(frozen=True, slots=True)
class Work:
    """What real programs sent, and the same in a file that ``jobspan serve`` would write."""

    requests: tuple[Any, ...]
    spans: tuple[Span, ...]
    store: Path


@pytest.fixture(scope="module")
def work(redis_server: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    """Two commands put jobs on both queues; real workers do them."""
    folder = tmp_path_factory.mktemp("work")
    with Collector() as collector:
        stage = Stage(redis_server.database(), collector, folder)
        try:
            stage.celery(concurrency=1)
            stage.dramatiq()
            stage.put(*_PUT, exit_code=3)
            stage.put()
            stage.wait_until_ended(_RUNS)
            spans = collector.wait_for_spans(_SPANS)
        finally:
            stage.close()
        kept = Kept(folder / "jobspan.duckdb")
        kept.keep(*collector.trace_requests)
        kept.store.close()
        yield Work(collector.trace_requests, spans, kept.path)


@pytest.fixture(scope="module", params=["server", "jaeger", "stable jaeger", "tempo"])
def address(request: pytest.FixtureRequest, work: Work, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the same work is kept."""
    with ExitStack() as servers:
        folder = tmp_path_factory.mktemp("kept")
        if request.param == "server":
            server = servers.enter_context(Server(folder / "jobspan.duckdb"))
            for sent in work.requests:
                server.post(sent)
            yield server.http
        elif request.param == "tempo":
            tempo = servers.enter_context(Tempo())
            tempo.keep(*work.requests)
            yield f"tempo={tempo.url}"
        else:
            jaeger = Jaeger(folder)
            servers.callback(jaeger.stop)
            jaeger.start().keep(*work.requests)
            newer = servers.enter_context(stable_jaeger(jaeger.url))
            yield f"jaeger={newer.url if request.param.startswith('stable') else jaeger.url}"


@pytest.fixture
def backend(address: str) -> Iterator[Backend]:
    """What is asked."""
    opened = open_backend(url=address)
    yield opened
    opened.close()


@pytest.fixture
def file(work: Work) -> Iterator[Backend]:
    """The embedded store with the same work."""
    opened = open_backend(work.store)
    yield opened
    opened.close()


_FILTERS = (
    RunFilter(),
    RunFilter(limit=3),
    RunFilter(failed=True),
    RunFilter(failed=True, jobs=("apps.celery_app.fail",)),
    RunFilter(outcomes=("retried", "succeeded"), frameworks=("celery",)),
    RunFilter(outcomes=("running",)),
    RunFilter(jobs=("*ok", "fail")),
    RunFilter(queues=("work",), limit=2),
    RunFilter(commands=("command.py put",)),
    RunFilter(commands=("command*",), failed=True),
    RunFilter(commands=("nightly",)),
)


@pytest.mark.parametrize("where", _FILTERS, ids=str)
def test_the_same_runs_are_found(where: RunFilter, backend: Backend, file: Backend) -> None:
    assert backend.runs(where) == file.runs(where)
    assert backend.counts(where) == file.counts(where)


def test_a_window_cuts_at_the_nanosecond(work: Work, backend: Backend, file: Backend) -> None:
    starts = sorted(span.start_ns for span in work.spans if is_run(span))
    where = RunFilter(since_ns=starts[2], until_ns=starts[-1])
    assert backend.runs(where) == file.runs(where)
    assert [run.start_ns for run in backend.runs(where)] == starts[2:-1][::-1]


def test_the_same_commands_are_found_with_their_jobs(work: Work, backend: Backend, file: Backend) -> None:
    newest = max((span for span in work.spans if is_command(span)), key=lambda span: span.start_ns)
    for where in (
        RunFilter(),
        RunFilter(limit=1),
        RunFilter(commands=("command.py put",)),
        RunFilter(commands=(newest.span_id,)),
        RunFilter(commands=(newest.span_id[:6],)),
        RunFilter(since_ns=newest.start_ns),
        RunFilter(commands=("nightly",)),
    ):
        assert backend.commands(where) == file.commands(where)


def test_the_same_stories_are_told(work: Work, backend: Backend, file: Backend) -> None:
    jobs = {span.attributes[c.MESSAGING_MESSAGE_ID] for span in work.spans if is_run(span)}
    told = [Match("job", job_id) for job_id in sorted(jobs)]
    told += [Match("command", span.span_id) for span in work.spans if is_command(span)]
    told += [Match("trace", trace_id) for trace_id in {span.trace_id for span in work.spans}]
    for match in told:
        assert backend.story(match) == file.story(match)


def test_whole_spans_come_back_with_tree_links_kinds_status_and_events(work: Work, backend: Backend) -> None:
    for trace_id in {span.trace_id for span in work.spans}:
        sent = {span.span_id: span for span in work.spans if span.trace_id == trace_id}
        assert {span.span_id: span for span in backend.story(Match("trace", trace_id))} == sent
    assert {"producer", "consumer", "internal"} <= {span.kind for span in work.spans}
    assert {"publish", "previous_attempt"} <= {link.type for span in work.spans for link in span.links}
    assert any(event.attributes.get(c.EXCEPTION_STACKTRACE) for span in work.spans for event in span.events)


def test_ids_are_found_whole_and_by_their_beginning(work: Work, address: str, backend: Backend, file: Backend) -> None:
    span = next(span for span in work.spans if is_run(span))
    ids = (span.attributes[c.MESSAGING_MESSAGE_ID], span.attributes[c.JOBSPAN_COMMAND_ID], span.trace_id)
    for full in ids:
        assert backend.find(full) == file.find(full)
        # Tempo's language cannot ask for the beginning of a trace's id.
        can_find = "trace" if not address.startswith("tempo") else ""
        expected = [match for match in file.find(full[:8]) if match.kind in ("command", "job", can_find)]
        assert backend.find(full[:8]) == expected
    assert backend.find("no-such-id") == []
    short = backend.shorten(ids)
    assert all(backend.find(short[full])[0].id == full for full in ids)


@pytest.mark.parametrize(
    "words", [("failed",), ("failed", "--by", "error"), ("runs",), ("runs", "--commands")], ids=" ".join
)
def test_the_command_line_says_the_same(words: tuple[str, ...], work: Work, backend: Backend, file: Backend) -> None:
    began = datetime.fromtimestamp(work.spans[0].start_ns // 10**9, timezone.utc).isoformat()[:-6]
    asked = (*words, "--since", began, "--until", "2099-01-01", "--utc", "--json")
    said, expected = typed(*asked, backend=backend), typed(*asked, backend=file)
    assert (said.code, said.err, json.loads(said.out)) == (expected.code, expected.err, json.loads(expected.out))
    assert expected.code == 0


def test_a_story_reads_the_same_on_the_command_line(work: Work, address: str) -> None:
    for span in work.spans:
        if is_run(span) or is_command(span):
            asked = ("show", span.attributes.get(c.MESSAGING_MESSAGE_ID) or span.span_id, "--json")
            said = typed(*asked, backend=open_backend(url=address))
            assert said == typed(*asked, backend=open_backend(work.store))
            assert said.code == 0


def test_nothing_there_is_nothing_found(backend: Backend) -> None:
    assert backend.runs(RunFilter(jobs=("none",))) == []
    assert backend.counts(RunFilter(jobs=("none",))) == Counts(0, 0, 0, 0, {})
    assert backend.story(Match("trace", "0" * 31 + "1")) == []
    assert backend.story(Match("job", "none")) == []


def test_what_workers_send_to_a_real_jaeger_by_the_recipe_of_readme_comes_back_true(
    stage: Stage, jaeger_server: Jaeger
) -> None:
    began_ns = time.time_ns()
    stage.export(endpoint=jaeger_server.grpc_endpoint)
    stage.set(OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none")
    stage.celery(concurrency=1)
    stage.dramatiq()
    stage.put(*_PUT, exit_code=3)
    stage.wait_until_ended(_RUNS)
    backend = open_backend(url=f"jaeger={jaeger_server.url}")
    own = RunFilter(since_ns=began_ns)
    wait_until(lambda: backend.counts(own).runs == _RUNS, deadline_s=30, what=f"{_RUNS} runs are in Jaeger")
    (command,) = backend.commands(own)
    assert (command.put, command.done, command.failed, command.retries) == (9, 9, 3, 2)
    assert_true(backend.story(Match("command", command.id)), stage.diary)
