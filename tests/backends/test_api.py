"""The HTTP API answers this machine's programs, and no web page."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from backends.otlp_requests import log_event, logs, run_attributes, span_message, traces
from backends.otlp_server import Server
from jobspan.backends.base import Match, RunFilter
from jobspan.backends.remote import RemoteBackend
from jobspan.errors import BackendError
from support.answering import Answering, Reply

_QUESTIONS = ("runs", "counts", "find?prefix=a", "story?kind=job&id=a", "stats")


def _ask(server: Server, question: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{server.http}/api/v1/{question}", headers=headers)


@pytest.mark.parametrize("question", _QUESTIONS)
def test_a_foreign_host_or_origin_is_refused(shared_server: Server, question: str) -> None:
    assert _ask(shared_server, question).status_code == 200
    port = shared_server.http.rsplit(":", 1)[1]
    assert _ask(shared_server, question, host=f"evil.example:{port}").status_code == 403
    assert _ask(shared_server, question, origin="https://evil.example").status_code == 403
    assert _ask(shared_server, question, origin="null").status_code == 403
    assert _ask(shared_server, question, host=f"localhost:{port}").status_code == 200


def test_no_answer_admits_other_origins(shared_server: Server) -> None:
    answer = _ask(shared_server, "stats", origin=shared_server.http)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_wrong_questions_are_answered_400_with_what_was_expected(shared_server: Server) -> None:
    for question, said in {
        "runs?since=1": "unknown parameter since; expected one of jobs, queues,",
        "runs?limit=ten": "invalid literal",
        "runs?limit=-1": "limit -1 is out of range",
        f"runs?limit={2**63}": f"limit {2**63} is out of range",
        f"counts?since_ns=-{2**63}": f"since_ns -{2**63} is out of range",
        "story?kind=queue&id=a": "expected kind, one of command, job, trace, and id",
        "story?kind=job": "expected kind, one of command, job, trace, and id",
        "story?kind=trace&id=xyz": "",
    }.items():
        answer = _ask(shared_server, question)
        assert answer.status_code == 400, question
        assert answer.json()["error"].startswith(said)


def test_nothing_can_be_changed_by_it(shared_server: Server) -> None:
    assert httpx.post(f"{shared_server.http}/api/v1/runs").status_code == 405


def test_stats_count_what_became_of_everything(server: Server) -> None:
    span = span_message(run_attributes())
    server.post(traces(span, span_message(span_id=b"")))
    server.post(traces(span))
    changed = span_message(run_attributes(outcome="failed"), trace_id=span.trace_id, span_id=span.span_id)
    server.post(traces(changed))
    server.post(logs(log_event("other", span, {})))
    server.post(b"\x0agarbage")
    stats = server.stats()
    assert stats.pop("version")
    assert stats == {
        "application": "jobspan",
        "store": str(server.store.resolve()),
        "spans": 2,
        "duplicates": 1,
        "conflicts": 1,
        "metrics_dropped": 0,
        "logs_dropped": 1,
        "rejected": 1,
        "malformed": 1,
        "overloaded": 0,
        "telemetry_dropped": {},
    }


def test_many_runs_are_answered_whole(server: Server) -> None:
    spans = [span_message(run_attributes(job_id=f"j-{number}")) for number in range(1000)]
    server.post(traces(*spans))
    backend = RemoteBackend(server.http)
    assert {run.span_id for run in backend.runs(RunFilter())} == {span.span_id.hex() for span in spans}
    backend.close()
    assert len(json.loads(_ask(server, "runs?limit=10").text)) == 10


@pytest.mark.parametrize("said", [{"error": "x"}, [{"id": "x"}], None], ids=["object", "list", "null"])
def test_a_program_that_answers_otherwise_is_one_line(said: object) -> None:
    with Answering(lambda _asked: Reply(said)) as other:
        backend = RemoteBackend(other.url)
        for ask in (
            lambda: backend.runs(RunFilter()),
            lambda: backend.counts(RunFilter()),
            lambda: backend.commands(RunFilter()),
            lambda: backend.find("abcd"),
            lambda: backend.story(Match("job", "abcd")),
        ):
            with pytest.raises(BackendError, match="answered, but not as jobspan server does"):
                ask()
        assert not backend.holds(Path("spans.duckdb"))
        backend.close()
