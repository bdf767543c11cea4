"""What was acknowledged is there, whatever happened to the server; what it cannot take yet, it says so."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from backends.kept_store import Kept
from backends.otlp_requests import log_event, logs, run_attributes, span_message, traces
from backends.otlp_server import Server
from jobspan.backends.base import Match, RunFilter
from jobspan.backends.store.file import EmbeddedBackend
from jobspan.server.receive.decoding import decode
from jobspan.server.receive.ingest import Intake, Overloaded
from jobspan.server.storage.batch import Batch
from jobspan.server.storage.store import Store
from jobspan.server.storage.writer import Writer
from support.waiting import wait_until

_ROUNDS = 4
_SPANS = 40


class _Sender(threading.Thread):
    """Sends requests until one fails; keeps the ids of those that were acknowledged."""

    def __init__(self, send: Callable[[ExportTraceServiceRequest], bool]) -> None:
        super().__init__()
        self._send = send
        self.acknowledged: set[str] = set()

    def run(self) -> None:
        while True:
            request = traces(*(span_message(run_attributes()) for _ in range(_SPANS)))
            try:
                if not self._send(request):
                    return
            except (httpx.HTTPError, grpc.RpcError):
                return
            spans = request.resource_spans[0].scope_spans[0].spans
            self.acknowledged |= {span.span_id.hex() for span in spans}


def _senders(server: Server) -> list[_Sender]:
    over_http = [_Sender(lambda request: server.post(request).status_code == 200) for _ in range(2)]
    over_grpc = [_Sender(lambda request: server.call(request) == b"") for _ in range(2)]
    return over_http + over_grpc


def _acknowledged_until(server: Server, end: Callable[[], object]) -> set[str]:
    """Send from all sides, call ``end`` in the middle of it, and return what was acknowledged."""
    senders = _senders(server)
    for sender in senders:
        sender.start()
    wait_until(lambda: all(sender.acknowledged for sender in senders), deadline_s=30, what="every sender is answered")
    end()
    for sender in senders:
        sender.join(30)
    return set().union(*(sender.acknowledged for sender in senders))


def _kept_in(store: Path) -> set[str]:
    file = EmbeddedBackend(store)
    ids = {run.span_id for run in file.runs(RunFilter())}
    file.close()
    return ids


def test_kill_9_under_load_loses_no_acknowledged_span(tmp_path: Path) -> None:
    server = Server(tmp_path / "jobspan.duckdb")
    acknowledged: set[str] = set()
    for _ in range(_ROUNDS):
        server.start()
        acknowledged |= _acknowledged_until(server, server.program.kill)
        assert acknowledged - _kept_in(server.store) == set()
    with server:
        assert server.stats()["spans"] >= len(acknowledged)
    assert acknowledged - _kept_in(server.store) == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_ends_with_all_that_was_accepted_in_one_file(server: Server, number: int) -> None:
    def stop() -> None:
        server.program.signal(number)
        assert server.program.wait() == 0

    acknowledged = _acknowledged_until(server, stop)
    assert acknowledged - _kept_in(server.store) == set()
    assert sorted(path.name for path in server.store.parent.iterdir()) == ["jobspan.duckdb", "serve.log"]
    assert "Traceback" not in server.program.log


def test_beyond_the_bound_senders_are_told_to_come_back(tmp_path: Path) -> None:
    body = traces(span_message()).SerializeToString()

    async def send_five(intake: Intake) -> list[object]:
        return list(await asyncio.gather(*(intake.take("traces", body) for _ in range(5)), return_exceptions=True))

    intake = Intake(Store(tmp_path / "jobspan.duckdb"), max_waiting_bytes=2 * len(body))
    try:
        answers = asyncio.run(send_five(intake))
        again = asyncio.run(send_five(intake))
    finally:
        intake.close()
    assert [isinstance(answer, Overloaded) for answer in answers] == [False, False, True, True, True]
    assert [isinstance(answer, Overloaded) for answer in again] == [False, False, True, True, True]
    assert intake.counters.overloaded == 6


def test_a_request_over_the_bound_alone_is_taken(tmp_path: Path) -> None:
    intake = Intake(Store(tmp_path / "jobspan.duckdb"), max_waiting_bytes=1)
    try:
        batch = asyncio.run(intake.take("traces", traces(span_message()).SerializeToString()))
    finally:
        intake.close()
    assert len(batch.spans) == 1


def test_a_commit_that_fails_keeps_nothing_of_it_and_the_next_is_kept(kept: Kept) -> None:
    kept.store.connection.execute("ALTER TABLE exceptions RENAME TO gone")
    span = span_message(run_attributes())
    with pytest.raises(duckdb.Error):
        kept.keep(traces(span, resource={"new": 1}), logs(log_event("exception", span, {})))
    kept.store.connection.execute("ALTER TABLE gone RENAME TO exceptions")
    assert kept.store.count_spans() == 0
    kept.keep(traces(span, resource={"new": 1}), logs(log_event("exception", span, {})))
    (told,) = kept.reader.story(Match("trace", span.trace_id.hex()))
    assert (told.span_id, told.resource) == (span.span_id.hex(), {"new": 1})


def test_one_request_that_cannot_be_written_fails_alone(kept: Kept) -> None:
    good, bad = (
        Batch(exceptions=[(1, 1, 1, "exception", 1, None)]),
        Batch(exceptions=[(1, 1, -1, "exception", 1, None)]),
    )
    writer = Writer(kept.store)
    answers = [writer.submit(batch) for batch in (good, bad, good)]
    writer.stop()
    assert [answer.exception(10) is None for answer in answers] == [True, False, True]


def test_a_writer_that_is_stopped_writes_what_was_submitted(kept: Kept) -> None:
    writer = Writer(kept.store)
    requests = [traces(span_message()) for _ in range(200)]
    answers = [writer.submit(decode("traces", request)) for request in requests]
    writer.stop()
    assert all(answer.done() for answer in answers)
    assert kept.store.count_spans() == len(requests)
