"""Ids cut to a beginning that ``find`` answers with one of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.kept_store import Kept
from backends.otlp_requests import log_event, logs, run_attributes, span_message, traces
from backends.otlp_server import Server
from jobspan import conventions as c
from jobspan.backends.remote import RemoteBackend
from jobspan.backends.store.prefixes import least_length


@pytest.mark.parametrize(
    ("kept_ids", "asked", "told"),
    [
        (["030f5e0a"], ["030f5e0a"], ["030f"]),
        (["030f5e0a", "030f5e1b"], ["030f5e0a"], ["030f5e0"]),
        (["job-1", "job-10"], ["job-1", "job-10"], ["job-1", "job-10"]),
        (["naïve-1", "naïve-2"], ["naïve-1"], ["naïve-1"]),
        ([], ["unknown-1", "unknown-2"], ["unknown-1", "unknown-2"]),
        (["ab"], ["ab"], ["ab"]),
        (["x"], [], []),
    ],
)
def test_an_id_is_cut_behind_what_it_shares_with_another(
    kept: Kept, kept_ids: list[str], asked: list[str], told: list[str]
) -> None:
    kept.keep(traces(*(span_message(run_attributes(job_id=job_id)) for job_id in kept_ids)))
    assert kept.reader.shorten(asked) == dict(zip(asked, told, strict=True))


def test_jobs_commands_traces_and_runs_in_flight_are_told_from_each_other(kept: Kept) -> None:
    trace = span_message(run_attributes(job_id="abcd-1", command_id="abcd00000000000a"))
    trace.trace_id = bytes.fromhex("abcd0b" + "0" * 26)
    open_job = run_attributes(job_id="abcd-22", outcome=None, final=None)
    kept.keep(traces(trace), logs(log_event(c.EVENT_JOB_STARTED, span_message(), open_job)))
    asked = ["abcd-1", "abcd-22", "abcd00000000000a", trace.trace_id.hex()]
    assert kept.reader.shorten(asked) == dict(zip(asked, ["abcd-1", "abcd-2", "abcd00", "abcd0b"], strict=True))


def test_the_more_is_kept_the_longer_ids_stay() -> None:
    assert [least_length(spans) for spans in (0, 1000, 10**6, 10**7, 10**9)] == [4, 4, 7, 8, 9]


def test_a_server_tells_the_same_for_more_ids_than_an_address_holds(server: Server) -> None:
    ids = [f"{number:08x}-{'long' * 20}" for number in range(0, 0x100_0000, 0x4000)]
    messages = [span_message(run_attributes(job_id=job_id)) for job_id in ids]
    for message in messages:
        message.trace_id = b"\xff" * 16
    server.post(traces(*messages))
    backend = RemoteBackend(server.http)
    told = backend.shorten(ids)
    backend.close()
    assert [told[full] for full in ids] == [full[:5] for full in ids]


@given(ids=st.sets(st.text("ab", min_size=4, max_size=9), min_size=1, max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
def test_every_short_form_is_unique_or_whole(ids: set[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = Kept(Path(tmp_path_factory.mktemp("ids")) / "kept.duckdb")
    kept.keep(traces(*(span_message(run_attributes(job_id=job_id)) for job_id in ids)))
    told = kept.reader.shorten(sorted(ids))
    kept.store.close()
    for full in ids:
        short = told[full]
        assert short == full or [other for other in ids if other.startswith(short)] == [full]
