"""A real server, worker or scheduler inside a console command: the command is none, and nothing hangs beneath it."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable
from functools import partial

import pytest

from apps.daemon_app import HOST, KINDS
from jobspan import conventions as c
from jobspan.runs import Span, is_publish
from support.compare import assert_true
from support.ports import free_port
from support.stage import Stage
from support.waiting import wait_until
from support.workers import TESTS

WORKERS = {"celery": "celery:ok", "dramatiq": "dramatiq:ok"}
SCHEDULERS = ("schedule", "apscheduler")
JOBS = 3


def ask(kind: str, port: int) -> bool:
    """Ask a server for a job; say whether it has put one."""
    try:
        return (_ask_grpc if kind.startswith("grpc") else _ask_http)(port) == b"put"
    except OSError:
        return False  # it does not listen yet


def _ask_http(port: int) -> bytes:
    with urllib.request.urlopen(f"http://{HOST}:{port}/", timeout=10) as answer:
        said: bytes = answer.read()
    return said


def _ask_grpc(port: int) -> bytes:
    import grpc

    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        try:
            said: bytes = channel.unary_unary("/Jobs/Put")(b"", timeout=10, wait_for_ready=True)
        except grpc.RpcError as error:
            raise ConnectionError(str(error)) from error
    return said


def publishes(stage: Stage) -> list[Span]:
    """Return the publish spans that the daemon has exported."""
    return [span for span in stage.collector.spans if is_publish(span) and span.resource["service.name"] == "daemon"]


def have_been_put(stage: Stage, kind: str, port: int) -> bool:
    """Let a server put one more job; say whether all are there."""
    if kind not in SCHEDULERS and not ask(kind, port):
        return False
    return len(publishes(stage)) >= JOBS


def have_been_run(stage: Stage, kind: str) -> bool:
    """Say whether the worker has run what somebody else has put."""
    return stage.diary.ended >= 1


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_hangs_beneath_a_command_that_is_a_daemon(stage: Stage, kind: str) -> None:
    port = free_port()
    app = str(TESTS / "apps" / "daemon_app.py")
    daemon = stage.program("python", app, kind, str(port), name="daemon", expect=(".",))
    daemon.wait_for_log("begins")
    done: Callable[[], bool] = partial(have_been_put, stage, kind, port)
    if kind in WORKERS:
        stage.put(WORKERS[kind])
        done = partial(have_been_run, stage, kind)
    wait_until(done, deadline_s=30, what="jobs")
    assert daemon.stop() in (0, -signal.SIGTERM, os.EX_OK), "it does not leave as it is asked to"
    spans = stage.collector.spans
    commands = [span for span in spans if c.JOBSPAN_COMMAND_OUTCOME in span.attributes or span.kind == "internal"]
    assert [span.resource["service.name"] for span in commands] == ["command"] * (kind in WORKERS)
    if kind in WORKERS:
        assert_true(spans, stage.diary)
        return
    put = publishes(stage)
    assert len({span.trace_id for span in put}) == len(put)
    assert {span.parent_id for span in put} == {None}
    assert not any(c.JOBSPAN_COMMAND_ID in span.attributes for span in put)
