"""Tempo past its limits, the documented query, what is asked, and refusals; Tempo is imitated (``support.tempo``)."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from backends.otlp_requests import ERROR, SECOND, run_attributes, span_message, traces
from jobspan.backends import open_backend
from jobspan.backends.base import Counts, Match, RunFilter
from jobspan.errors import BackendError, UsageError
from support.answering import Answering, Asked, Reply
from support.ports import LOOPBACK, free_port
from support.tempo import Tempo

PAGE = Path(__file__).parents[2] / "docs" / "operating" / "backends.md"
_NOW = time.time_ns()
_DAY = 86_400 * SECOND


def _run(number: int, at_ns: int, trace_id: bytes | None = None, **attributes: Any) -> Any:
    status = {"status": ERROR} if attributes.get("outcome") in ("failed", "retried") else {}
    trace = {"trace_id": trace_id} if trace_id else {}
    said = run_attributes(job_id=f"job-{number}", **attributes)
    return span_message(said, start_time_unix_nano=at_ns, end_time_unix_nano=at_ns + 1, **status, **trace)


def test_more_traces_are_read_than_tempo_gives_at_once_in_no_order() -> None:
    with Tempo(max_limit=15) as tempo:
        tempo.keep(traces(*(_run(n, _NOW - n * 10 * SECOND) for n in range(60))))
        tempo.keep(traces(*(_run(n, _NOW - n * 10 * SECOND, name="other", outcome="failed") for n in range(60, 90))))
        backend = open_backend(url=f"tempo={tempo.url}")
        assert backend.counts(RunFilter()) == Counts(90, 90, 30, 0, {"failed": 30, "succeeded": 60})
        assert [run.job_id for run in backend.runs(RunFilter(limit=12))] == [f"job-{n}" for n in range(12)]
        assert len(backend.runs(RunFilter(failed=True))) == 30


def test_more_time_is_asked_for_than_tempo_admits() -> None:
    with Tempo() as tempo:
        tempo.keep(traces(_run(1, _NOW - 29 * _DAY), _run(2, _NOW)))
        backend = open_backend(url=f"tempo={tempo.url}")
        assert [run.job_id for run in backend.runs(RunFilter())] == ["job-2", "job-1"]
        assert len([asked for asked in tempo.asked if asked.path == "/api/search"]) < 15


def test_more_spans_of_a_trace_are_read_than_tempo_gives_of_one() -> None:
    with Tempo() as tempo:
        tempo.keep(traces(*(_run(n, _NOW - n * SECOND, b"\0" * 15 + b"\7") for n in range(250))))
        backend = open_backend(url=f"tempo={tempo.url}")
        assert backend.counts(RunFilter()).runs == 250
        assert len(backend.story(Match("trace", "0" * 31 + "7"))) == 250


def test_too_much_at_one_moment_is_said() -> None:
    with Tempo(max_limit=5) as tempo:
        tempo.keep(traces(*(_run(n, _NOW) for n in range(6))))
        with pytest.raises(BackendError, match="than the backend gives at once; filter for less"):
            open_backend(url=f"tempo={tempo.url}").counts(RunFilter())


def test_the_query_for_failed_jobs_of_the_documentation_finds_them() -> None:
    (query,) = re.findall(r"in Tempo, `([^`]+)`", " ".join(PAGE.read_text("utf-8").split()))
    outcomes: Any = ({"outcome": "failed"}, {}, {"outcome": "retried", "final": False}, {"outcome": "failed"})
    with Tempo() as tempo:
        tempo.keep(traces(*(_run(n, _NOW, **said) for n, said in enumerate(outcomes))))
        bounds = {"start": _NOW // SECOND - 60, "end": _NOW // SECOND + 60}
        found = httpx.get(f"{tempo.url}/api/search", params={"q": query, **bounds}).json()["traces"]
        assert len(found) == 2


def test_a_filter_is_asked_for_in_traceql_with_typed_values() -> None:
    with Tempo() as tempo:
        where = RunFilter(_NOW, _NOW + SECOND, jobs=('say "\\hi"',), failed=True, outcomes=("failed",))
        assert open_backend(url=f"tempo={tempo.url}").runs(where) == []
        (asked,) = tempo.asked
        assert asked.query["q"].partition(" | ")[0] == (
            '{ (span.messaging.operation.name = "run" && span.jobspan.job.final = true'
            ' && span.jobspan.job.outcome = "failed" && span.jobspan.job.name = "say \\"\\\\hi\\"") }'
        )
        assert int(tempo.asked[0].query["end"]) > int(tempo.asked[0].query["start"])


def test_short_ids_are_printed_and_found() -> None:
    with Tempo() as tempo:
        tempo.keep(traces(_run(1, _NOW), _run(12, _NOW - 20 * _DAY)))
        backend = open_backend(url=f"tempo={tempo.url}")
        assert backend.find("job-") == [Match("job", "job-1"), Match("job", "job-12")]
        assert backend.find("job-1") == [Match("job", "job-1")]
        assert backend.shorten(["0123456789", "01234567ff", "abcdef0123"]) == {
            "0123456789": "012345678",
            "01234567ff": "01234567f",
            "abcdef0123": "abcdef01",
        }


def _refusal(url: str) -> str:
    with pytest.raises(BackendError) as refused:
        open_backend(url=f"tempo={url}").runs(RunFilter())
    return str(refused.value)


def test_nobody_at_the_address_is_one_line() -> None:
    url = f"http://{LOOPBACK}:{free_port()}"
    assert _refusal(url) == (
        f"no Tempo answers at {url} (ConnectionRefusedError [Errno 111] Connection refused); is it running? "
        "expected http://host:3200, the port of its API"
    )


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply("no org id", 401), "answered 401; where it wants to know who asks, set JOBSPAN_BACKEND_HEADERS"),
        (Reply("invalid TraceQL query: parse error", 400), "answered 400: invalid TraceQL query: parse error"),
        (Reply("too many\nrequests", 429), "answered 429: too many requests"),
        (Reply("404 page not found", 404), "answered 404, not in JSON: no Tempo; expected http://host:3200"),
        (Reply("<html>Grafana"), "answered 200, not in JSON: no Tempo; expected http://host:3200"),
        (Reply({"traces": [{"no": "id"}]}), "answered, but not as Tempo does (KeyError 'traceID')"),
    ],
    ids=["401", "400", "429", "404", "page", "nonsense"],
)
def test_a_refusal_is_one_line_that_says_what_to_do(reply: Reply, told: str) -> None:
    with Answering(lambda _asked: reply) as server:
        line = _refusal(server.url)
        assert told in line
        assert "\n" not in line
        assert server.url in line


def test_a_part_of_a_trace_is_said_to_be_one(caplog: pytest.LogCaptureFixture) -> None:
    said = {"trace": {"resourceSpans": []}, "status": "PARTIAL", "message": "trace exceeds max size"}
    with Answering(lambda _asked: Reply(said)) as server, caplog.at_level(logging.WARNING, "jobspan.backends"):
        assert open_backend(url=f"tempo={server.url}").story(Match("trace", "1" * 32)) == []
    assert caplog.messages == [f"Tempo gives only a part of trace {'1' * 32}: trace exceeds max size"]


def test_a_tenant_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply({"traces": []}) if asked.headers.get("x-scope-orgid") == "shop" else Reply("no org id", 401)

    monkeypatch.setenv("JOBSPAN_BACKEND_HEADERS", "X-Scope-OrgID=shop")
    with Answering(answer) as server:
        assert open_backend(url=f"tempo={server.url}").runs(RunFilter()) == []


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(UsageError, match=r"no address of a Tempo; expected http://host:3200"):
        open_backend(url="tempo=localhost:3200")
