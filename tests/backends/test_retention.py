"""A store lets go of what is too old and too much, and of nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from backends.kept_store import Kept
from backends.otlp_requests import NOON, SECOND, log_event, logs, run_attributes, span_message, traces
from backends.otlp_server import Server
from jobspan import conventions as c
from jobspan.backends.base import Match, RunFilter
from jobspan.backends.store.file import EmbeddedBackend
from jobspan.server.storage.retention import Cleaner, Retention
from support.waiting import wait_until

_HOUR = 3600 * SECOND
_DAY = 24 * _HOUR


def _span(ended_ns: int, trace_id: bytes | None = None, job_id: str = "j", **fields: object) -> SpanMessage:
    of_trace = {"trace_id": trace_id} if trace_id else {}
    times = {"start_time_unix_nano": ended_ns - SECOND, "end_time_unix_nano": ended_ns}
    return span_message(run_attributes(job_id=job_id), **of_trace, **times, **fields)


def _cleaned(kept: Kept, retention: Retention, now_ns: int = NOON, slice_rows: int = 500_000) -> int:
    """Clean until there is no more; return the number of steps."""
    cleaner = Cleaner(kept.store, retention, lambda: now_ns, slice_rows)
    steps = 1
    while cleaner.step():
        steps += 1
    return steps


def _jobs(kept: Kept) -> list[str]:
    return sorted(run.job_id or "" for run in kept.reader.runs(RunFilter()))


def test_what_ended_before_the_horizon_goes_and_what_ended_after_it_stays(kept: Kept) -> None:
    kept.keep(traces(*(_span(NOON - ago * _HOUR, job_id=f"{ago}h") for ago in (1, 35, 36, 37, 100))))
    _cleaned(kept, Retention(keep_s=36 * 3600))
    assert _jobs(kept) == ["1h", "35h", "36h"]


def test_nothing_goes_without_a_limit(kept: Kept) -> None:
    kept.keep(traces(_span(SECOND)))
    assert (_cleaned(kept, Retention()), kept.store.count_spans()) == (1, 1)


def test_a_trace_that_goes_on_after_the_horizon_keeps_its_spans_of_the_day_before_it(kept: Kept) -> None:
    horizon = NOON - 14 * _DAY
    kept.keep(
        traces(
            _span(horizon - _HOUR, b"1" * 16, "goes on"),
            _span(horizon + _HOUR, b"1" * 16, "goes on, young"),
            _span(horizon - _DAY - 1, b"2" * 16, "goes on, too old"),
            _span(horizon + _HOUR, b"2" * 16, "of that, young"),
            _span(horizon - _HOUR, b"3" * 16, "has ended"),
        )
    )
    _cleaned(kept, Retention(keep_s=14 * 86_400))
    assert _jobs(kept) == ["goes on", "goes on, young", "of that, young"]


def test_started_events_exceptions_and_senders_go_with_their_spans(kept: Kept) -> None:
    old, young = _span(NOON - 3 * _DAY), _span(NOON)
    kept.keep(
        traces(old, resource={"of": "old"}),
        traces(young, resource={"of": "young"}),
        logs(
            *(
                log_event("exception", span, {"exception.type": "CardError"}, span.end_time_unix_nano)
                for span in (old, young)
            )
        ),
        logs(log_event(c.EVENT_JOB_STARTED, _span(SECOND), run_attributes(job_id="lost"), NOON - 3 * _DAY)),
        logs(log_event(c.EVENT_JOB_STARTED, _span(NOON), run_attributes(job_id="runs"), NOON - SECOND)),
    )
    _cleaned(kept, Retention(keep_s=86_400))
    rows = {
        table: kept.store.connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]  # noqa: S608  constants
        for table in ("spans", "started", "exceptions", "resources")
    }
    assert rows == {"spans": 1, "started": 1, "exceptions": 1, "resources": 2}
    kept.keep(traces(_span(NOON, b"9" * 16), resource={"of": "newest"}))
    kept.reopen()
    told = [kept.reader.story(Match("trace", trace))[0] for trace in (young.trace_id.hex(), (b"9" * 16).hex())]
    assert [(span.resource, len(span.events)) for span in told] == [({"of": "young"}, 1), ({"of": "newest"}, 0)]


def test_a_large_backlog_goes_in_slices(kept: Kept) -> None:
    kept.keep(traces(*(_span(NOON - number * SECOND) for number in range(4000))))
    steps = _cleaned(kept, Retention(keep_s=1000), slice_rows=500)
    assert (kept.store.count_spans(), steps > 5) == (1001, True)


def test_a_store_that_is_filled_past_its_size_stays_below_it_and_keeps_the_newest(kept: Kept) -> None:
    limit, minutes, a_minute = 60_000_000, 25, 100_000
    kept.keep(traces(*(_span(NOON) for _ in range(100))))
    kept.store.connection.execute("CREATE TEMP TABLE pattern AS SELECT * FROM spans")
    cleaner, sizes = Cleaner(kept.store, Retention(max_bytes=limit)), []
    for minute in range(1, minutes + 1):
        kept.store.connection.execute(_MORE, [minute * 60 * SECOND, a_minute // 100])
        while cleaner.step():
            pass
        sizes.append(_on_disk(kept.path))
    oldest, newest, spans = kept.store.connection.execute(
        "SELECT min(end_ns), max(end_ns), count(*) FROM spans"
    ).fetchall()[0]
    assert max(sizes) <= limit
    assert newest == NOON + minutes * 60 * SECOND
    # Nothing is missing between the oldest that is left and the newest.
    assert spans == ((newest - oldest) // (60 * SECOND) + 1) * a_minute
    assert sizes[-1] > limit * 0.6


_MORE = """
INSERT INTO spans SELECT * EXCLUDE number REPLACE (
  end_ns + ? AS end_ns, hash(random()) AS span_id, md5(random()::TEXT) AS job_id)
FROM pattern, range(?) t(number)
"""


def _on_disk(path: Path) -> int:
    log = path.with_name(path.name + ".wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def test_a_server_lets_go_of_what_is_too_old_while_it_serves(tmp_path: Path) -> None:
    now = time.time_ns()
    with Server(tmp_path / "jobspan.duckdb", "--keep", "1h") as server:
        server.post(traces(_span(now - 2 * _HOUR), _span(now)))
        server.program.stop()
        server.start()
        wait_until(lambda: server.stats()["spans"] == 1, deadline_s=30, what="the old span is gone")


def test_kill_9_amid_a_cleaning_loses_nothing_that_is_to_be_kept(tmp_path: Path) -> None:
    path, now = tmp_path / "jobspan.duckdb", time.time_ns()
    young = [_span(now - number * SECOND) for number in range(500)]
    _fill(path, young)
    server = Server(path, "--keep", "1h")
    seen = []
    for _ in range(6):
        server.start()
        before = _wait_for_a_slice(server)
        server.program.kill()
        file = EmbeddedBackend(path)
        kept = {run.span_id for run in file.runs(RunFilter(since_ns=now - _HOUR))}
        file.close()
        assert {span.span_id.hex() for span in young} - kept == set()
        seen.append(before)
        if before == 500:
            break
    assert len(set(seen)) > 1, "no server was killed amid the cleaning"


def _wait_for_a_slice(server: Server) -> int:
    """Return how many spans there were before one went, or when there was none to go."""
    before: int = server.stats()["spans"]
    wait_until(lambda: server.stats()["spans"] != before or before == 500, deadline_s=60, what="a slice is gone")
    return before


def _fill(path: Path, young: Sequence[SpanMessage]) -> None:
    """Write the young spans, and two million that are hours old."""
    kept = Kept(path)
    kept.keep(traces(*young))
    times = f"start_ns - {5 * _HOUR} AS start_ns, end_ns - {5 * _HOUR} AS end_ns"
    copies = f"{times}, hash(trace_lo, number) AS trace_lo, hash(span_id, number) AS span_id"
    kept.store.connection.execute(
        f"INSERT INTO spans SELECT * EXCLUDE number REPLACE ({copies}) FROM spans, range(4000) t(number)"  # noqa: S608  numbers
    )
    kept.store.close()


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [("--keep", "14 days", "a length of time such as"), ("--max-size", "1MB", "a size of 256MB or more")],
)
def test_a_limit_that_cannot_be_is_refused_before_the_store_is_touched(
    tmp_path: Path, option: str, text: str, expected: str
) -> None:
    server = Server(tmp_path / "jobspan.duckdb", option, text)
    server.program.start()
    assert server.program.wait() == 2
    assert f"saw {option} {text}; expected {expected}" in server.program.log
    assert not (tmp_path / "jobspan.duckdb").exists()
