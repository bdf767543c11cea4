"""A real Jaeger with more than it gives at once, the documented query, and what it says when it cannot be asked."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from backends.otlp_requests import ERROR, SECOND, run_attributes, span_message, traces
from jobspan.backends import open_backend
from jobspan.backends.base import Counts, RunFilter
from jobspan.cli.app import jobspan
from jobspan.errors import BackendError, UsageError
from support.answering import Answering, Asked, Reply
from support.jaeger import Jaeger
from support.ports import LOOPBACK, free_port
from support.stable_jaeger import stable_jaeger

PAGE = Path(__file__).parents[2] / "docs" / "operating" / "backends.md"
_NOW = time.time_ns()
_SET_HEADERS = "where it wants to know who asks, set JOBSPAN_BACKEND_HEADERS, e.g. to 'Authorization=Bearer …'"


def _runs(number: int, **attributes: Any) -> Any:
    """A request with so many runs, a second apart, the newest first."""
    return traces(
        *(
            span_message(
                run_attributes(job_id=f"j-{n}", **attributes),
                start_time_unix_nano=_NOW - n * SECOND,
                end_time_unix_nano=_NOW - n * SECOND + 1,
                **({"status": ERROR} if attributes.get("outcome") == "failed" else {}),
            )
            for n in range(number)
        ),
        resource={"service.name": attributes.get("name", "shop")},
    )


@pytest.fixture
def small_jaeger(tmp_path: Path) -> Any:
    """A Jaeger that gives 60 traces at once, and no more."""
    server = Jaeger(tmp_path, max_traces=60)
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.mark.parametrize("is_stable", [False, True], ids=["old API", "stable API"])
def test_more_traces_are_read_than_jaeger_gives_at_once(small_jaeger: Jaeger, is_stable: bool) -> None:
    small_jaeger.keep(_runs(30), _runs(25, name="other", outcome="failed"))
    with stable_jaeger(small_jaeger.url) as facade:
        backend = open_backend(url=f"jaeger={facade.url if is_stable else small_jaeger.url}")
        assert backend.counts(RunFilter()) == Counts(55, 30, 25, 0, {"failed": 25, "succeeded": 30})
        assert [run.job_id for run in backend.runs(RunFilter(limit=12, jobs=("charge",)))] == [
            f"j-{n}" for n in range(12)
        ]
        assert len(backend.runs(RunFilter(failed=True))) == 25
        backend.close()
        assert {asked.path for asked in facade.asked} == (
            {"/api/v3/traces", "/api/v3/services"} if is_stable else set()
        )


def test_the_query_for_failed_jobs_of_the_documentation_finds_them_in_jaegers_search(jaeger_server: Jaeger) -> None:
    (query,) = re.findall(r"`([^`]+)` in Jaeger's tag search", " ".join(PAGE.read_text("utf-8").split()))
    tags = dict(pair.split("=") for pair in query.split())
    jaeger_server.keep(_runs(2, name="readme", outcome="failed"), _runs(1, name="readme"))
    jaeger_server.keep(_runs(1, name="readme", outcome="retried", final=False))
    asked = {"service": "readme", "tags": json.dumps(tags), "lookback": "1h", "limit": "20"}
    found = httpx.get(f"{jaeger_server.url}/api/traces", params=asked).json()["data"]
    outcomes = [{tag["key"]: tag["value"] for tag in trace["spans"][0]["tags"]} for trace in found]
    assert [tags["jobspan.job.outcome"] for tags in outcomes] == ["failed", "failed"]


def _refusal(url: str, kind: str = "jaeger") -> str:
    backend = open_backend(url=f"{kind}={url}")
    with pytest.raises(BackendError) as refused:
        backend.runs(RunFilter())
    backend.close()
    return str(refused.value)


def test_nobody_at_the_address_is_one_line() -> None:
    url = f"http://{LOOPBACK}:{free_port()}"
    assert _refusal(url) == (
        f"no Jaeger answers at {url} (ConnectionRefusedError [Errno 111] Connection refused); is it running? "
        "expected http://host:16686, the port of its UI"
    )


def test_another_port_of_jaeger_is_told_from_its_query_port(own_jaeger: Jaeger) -> None:
    http = own_jaeger.http_endpoint
    assert _refusal(http) == (
        f"{http} answered 404, not in JSON: no Jaeger; expected http://host:16686, the port of its UI"
    )
    grpc = own_jaeger.grpc_endpoint
    assert _refusal(grpc).startswith(f"no Jaeger answers at {grpc} (")


def test_a_wrong_path_is_answered_by_the_ui_and_told(own_jaeger: Jaeger) -> None:
    url = f"{own_jaeger.url}/somewhere"
    assert _refusal(url).startswith(f"{url} answered 200, not in JSON: no Jaeger; expected ")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            Reply("who are you", 401),
            f"answered 401; {_SET_HEADERS}",
        ),
        (Reply({"error": "no"}, 403), f"answered 403: no; {_SET_HEADERS}"),
        (Reply({"errors": [{"msg": "storage\nis down"}]}, 500), "answered 500: storage is down"),
        (Reply("<html>sign in", 302, {"Location": "/login"}), "answered 302, not in JSON: no Jaeger"),
        (Reply("[]"), "answered, but not as Jaeger does"),
    ],
    ids=["401", "403", "500", "302", "nonsense"],
)
def test_a_refusal_is_one_line_that_says_what_to_do(reply: Reply, told: str) -> None:
    with Answering(lambda _asked: reply) as server:
        line = _refusal(server.url)
        assert told in line
        assert "\n" not in line
        assert server.url in line


def test_the_headers_of_the_environment_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("authorization") != "Basic dXNlcjpwYXNz" or asked.headers.get("x-tenant") != "a,b":
            return Reply("", 401)
        return Reply({"data": []})

    monkeypatch.setenv("JOBSPAN_BACKEND_HEADERS", "Authorization=Basic dXNlcjpwYXNz, X-Tenant=a%2Cb")
    with Answering(answer) as server:
        assert open_backend(url=f"jaeger={server.url}").runs(RunFilter()) == []


def test_what_is_asked_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSPAN_BACKEND_HEADERS", "Authorization=Bearer secret")
    with Answering(lambda _asked: Reply({"data": []})) as other:
        elsewhere = {"Location": f"{other.url}/api/services"}
        with Answering(lambda _asked: Reply("sign in", 302, elsewhere)) as server:
            assert _refusal(server.url).startswith(f"{server.url} answered 302, not in JSON: no Jaeger")
        assert other.asked == []


def test_a_header_that_is_none_is_told_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSPAN_BACKEND_HEADERS", "Bearer secret")
    with pytest.raises(UsageError, match="JOBSPAN_BACKEND_HEADERS is not understood") as refused:
        open_backend(url="jaeger=http://127.0.0.1:1")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", ["", "localhost:16686", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_told(url: str) -> None:
    with pytest.raises(UsageError, match=r"no address of a Jaeger; expected http://host:16686"):
        open_backend(url=f"jaeger={url}")


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="JOBSPAN_BACKEND_HEADERS") as refused:
        open_backend(url="jaeger=http://user:pass@host")
    assert "pass" not in str(refused.value).replace("Basic", "")


def test_an_unknown_kind_of_backend_is_told() -> None:
    with pytest.raises(UsageError, match="expected http://host:port, jaeger=URL"):
        open_backend(url="zipkin=http://127.0.0.1:9411")


def test_silence_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobspan.backends.http.ANSWER_S", 0.2)
    is_over = threading.Event()

    def answer(_asked: Asked) -> Reply:
        is_over.wait(10)
        return Reply({})

    with Answering(answer) as server:
        assert _refusal(server.url) == f"Jaeger at {server.url} gave no answer within 0.2 s; ask for less: --since 1h"
        is_over.set()


def test_the_next_command_line_names_the_backend_again(own_jaeger: Jaeger) -> None:
    own_jaeger.keep(_runs(2, outcome="failed"))
    place = f"jaeger={own_jaeger.url}"
    typed = CliRunner().invoke(jobspan, ["failed", "--backend", place])
    assert typed.exit_code == 0, typed.output
    assert "2 of 2 jobs failed in the last 24 hours." in typed.output
    assert f"jobspan show j-0 --backend {place} (one job)" in typed.output


def test_an_empty_jaeger_says_what_to_check(own_jaeger: Jaeger) -> None:
    typed = CliRunner().invoke(jobspan, ["failed", "--backend", f"jaeger={own_jaeger.url}"])
    assert (typed.exit_code, typed.output.splitlines()) == (
        1,
        [
            "No failed jobs in the last 24 hours: no job ran at all.",
            f"Nothing has reached jaeger={own_jaeger.url} yet. Check that",
            "  - workers run under opentelemetry-instrument, with jobspan[otlp] installed;",
            "  - OTEL_EXPORTER_OTLP_ENDPOINT in their environment is its OTLP port.",
        ],
    )


def test_the_doctor_names_what_answered(own_jaeger: Jaeger) -> None:
    typed = CliRunner().invoke(jobspan, ["doctor", "--backend", f"jaeger={own_jaeger.url}"])
    assert "Jaeger answers; it holds no run yet" in typed.output
