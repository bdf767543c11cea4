"""``--json``: its keys are a promise, its values are exact."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobspan.cli.documents import documents, rows
from unit.analysis.story import COMMAND, TRACE, Story, at
from unit.cli.twin import Twin
from unit.cli.typing_at import typed

_RUN = """job_id job_name framework queue command_id command_name parent_job_id attempt max_attempts outcome final
failed start start_unix_nano end end_unix_nano duration_s waited_s wait_scheduled_s wait_queued_s
wait_prefetched_s cpu_s memory_start_bytes memory_end_bytes memory_peak_bytes memory_source concurrency redelivered
error_type exception_type exception_message exception_stacktrace lost_reason exit_code exit_signal oom_killed
retry_reason retry_delay_s worker pid service trace_id span_id parent_span_id links"""

_PROMISED = {
    "RUN_KEYS": _RUN,
    "LINK_KEYS": "type trace_id span_id",
    "COUNT_KEYS": "runs jobs failed recovered by_outcome",
    "FILTER_KEYS": """since since_unix_nano until until_unix_nano jobs queues commands frameworks outcomes failed
        limit""",
    "GROUP_KEYS": "key jobs job_names first first_unix_nano last last_unix_nano newest_job_id",
    "SPREAD_KEYS": "p50 p95",
    "JOB_FOLD_KEYS": "job_name depth jobs states failed retries waited_s ran_s memory_bytes memory_is_peak",
    "COMMAND_KEYS": """command_id command_name start start_unix_nano end end_unix_nano duration_s exit_code
        outcome exit_signal error_type host pid service trace_id put not_put put_s states nested_states retries jobs
        runs""",
    "COMMAND_ROW_KEYS": """command_id command_name start start_unix_nano end end_unix_nano duration_s exit_code outcome
        exit_signal error_type host pid service trace_id put not_put done failed running retries""",
    "ANCESTOR_KEYS": "job_id job_name",
    "JOB_KEYS": """job_id job_name queue state failed command_id command_name ancestors children trace_id publishes
        runs""",
    "PUBLISH_KEYS": """job_id job_name framework queue command_id command_name start start_unix_nano end
        end_unix_nano error_type exception_type exception_message exception_stacktrace trace_id span_id
        parent_span_id""",
    "SPAN_KEYS": """trace_id span_id parent_span_id name kind start start_unix_nano end end_unix_nano duration_s status
        status_message service scope attributes links""",
    "TRACE_KEYS": "trace_id start start_unix_nano end end_unix_nano errors spans",
    "MATCH_KEYS": "kind id",
}


def _json(*words: str, backend: Twin | None = None, code: int = 0) -> Any:
    seen = typed(*words, "--json", backend=backend)
    assert (seen.code, seen.err) == (code, "")
    return json.loads(seen.out)


@pytest.mark.parametrize("table", _PROMISED)
def test_the_keys_are_those_promised(table: str) -> None:
    assert list(getattr(rows, table)) == _PROMISED[table].split()


def test_every_table_of_keys_is_promised() -> None:
    assert {name for name in dir(rows) if name.endswith("_KEYS")} == set(_PROMISED)


def test_a_run_is_told_exactly() -> None:
    document = _json("failed", "--job", "charge", "--since", "1h")
    assert list(document) == ["runs", "counts", "filter"]
    (run,) = document["runs"]
    links = [{"type": "publish", "trace_id": TRACE, "span_id": "a000000000000023"}]
    stack = run.pop("exception_stacktrace")
    assert stack.startswith("Traceback")
    assert run == {
        "job_id": "030f5e0a-1111-4222-8333-00000000000f",
        "job_name": "charge",
        "framework": "celery",
        "queue": "billing",
        "command_id": COMMAND,
        "command_name": "import-orders",
        "parent_job_id": None,
        "attempt": 3,
        "max_attempts": 3,
        "outcome": "failed",
        "final": True,
        "failed": True,
        "start": "2026-03-01T03:12:41.000000000Z",
        "start_unix_nano": at("03:12:41"),
        "end": "2026-03-01T03:12:42.200000000Z",
        "end_unix_nano": at("03:12:42.2"),
        "duration_s": 1.2,
        "waited_s": 0.30000000000000004,
        "wait_scheduled_s": None,
        "wait_queued_s": 0.2,
        "wait_prefetched_s": 0.1,
        "cpu_s": 0.05,
        "memory_start_bytes": 80_000_000,
        "memory_end_bytes": 84_000_000,
        "memory_peak_bytes": None,
        "memory_source": None,
        "concurrency": None,
        "redelivered": False,
        "error_type": "shop.errors.CardError",
        "exception_type": "shop.errors.CardError",
        "exception_message": "card declined",
        "lost_reason": None,
        "exit_code": None,
        "exit_signal": None,
        "oom_killed": None,
        "retry_reason": None,
        "retry_delay_s": None,
        "worker": "celery@w2",
        "pid": 4711,
        "service": "shop",
        "trace_id": TRACE,
        "span_id": "b000000000000024",
        "parent_span_id": "a000000000000023",
        "links": links,
    }
    assert document["counts"] == {
        "runs": 9,
        "jobs": 9,
        "failed": 1,
        "recovered": 0,
        "by_outcome": {"succeeded": 8, "failed": 1},
    }
    assert document["filter"] == {
        "since": "2026-03-01T02:20:00.000000000Z",
        "since_unix_nano": at("02:20:00"),
        "until": None,
        "until_unix_nano": None,
        "jobs": ["charge"],
        "queues": [],
        "commands": [],
        "frameworks": [],
        "outcomes": [],
        "failed": True,
        "limit": 50,
    }


def test_runs_come_newest_first_and_running_ones_have_no_end() -> None:
    first, *rest = _json("runs", "--limit", "0")["runs"]
    assert (first["outcome"], first["end"], first["duration_s"]) == ("running", None, None)
    starts = [run["start_unix_nano"] for run in (first, *rest)]
    assert starts == sorted(starts, reverse=True)


def test_nothing_found_is_an_empty_document_and_exit_code_1() -> None:
    document = _json("failed", backend=Twin(), code=1)
    assert (document["runs"], document["counts"]["runs"]) == ([], 0)


def test_groups_are_told_with_what_they_share() -> None:
    document = _json("failed", "--by", "job")
    assert (document["by"], [(group["key"], group["jobs"]) for group in document["groups"]]) == (
        "job",
        [("charge", 1), ("render_pdf", 1)],
    )


@pytest.mark.parametrize(("typed_id", "kind"), [("7f3a", "command"), ("030f", "job"), ("0af7", "trace")])
def test_a_story_is_told_under_its_kind(typed_id: str, kind: str) -> None:
    document = _json("show", typed_id)
    assert (list(document), document["kind"]) == (["kind", kind], kind)
    assert list(document[kind]) == _PROMISED[f"{kind.upper()}_KEYS"].split()


def test_a_folded_job_is_told_exactly() -> None:
    receipt = _json("show", "7f3a")["command"]["jobs"][1]
    assert receipt == {
        "job_name": "receipt",
        "depth": 1,
        "jobs": 4,
        "states": {"succeeded": 4},
        "failed": {},
        "retries": 0,
        "waited_s": {"p50": 0.1, "p95": 0.1},
        "ran_s": {"p50": 0.1, "p95": 0.1},
        "memory_bytes": 61_000_000,
        "memory_is_peak": False,
    }


def test_an_ambiguous_id_is_told_with_its_matches() -> None:
    story = Story(command=("import", "0af7" * 4))
    story.run("work", "job-a", "03:10:00", 1)
    document = _json("show", "0af7", backend=Twin(story.spans), code=2)
    assert document == {
        "kind": None,
        "matches": [{"kind": "command", "id": "0af7" * 4}, {"kind": "trace", "id": TRACE}],
    }


def test_what_json_cannot_say_becomes_null_or_text() -> None:
    text = documents.document(
        {"nan": float("nan"), "bytes": b"\x01\xff", "text": "\x1b\ud800é", "deep": [(1, {2: 3.5})]}
    )
    assert text.isascii()
    assert json.loads(text) == {"nan": None, "bytes": "01ff", "text": "\x1b\ud800é", "deep": [[1, {"2": 3.5}]]}
