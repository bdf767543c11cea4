"""The same screens over the real store as over the twin in memory, from its file and through its server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from backends.kept_store import Kept
from backends.otlp_requests import pairs, traces
from jobspan.backends import open_backend
from jobspan.runs import Span
from unit.cli.sample import night
from unit.cli.twin import Twin
from unit.cli.typing_at import Seen, typed

_SCREENS = (
    ("failed",),
    ("failed", "--by", "error"),
    ("runs", "--limit", "0"),
    ("runs", "--command", "7f3a", "--job", "*a*", "--json"),
    ("failed", "--job", "nope"),
    ("runs", "--since", "5m"),
    ("runs", "--commands"),
    ("runs", "--commands", "--command", "7f3a", "--json"),
    ("runs", "--commands", "--command", "nope"),
    ("show", "7f3a"),
    ("show", "030f"),
    ("show", "ab00"),
    ("show", "d100"),
    ("show", "0af7"),
    ("show", "ffff"),
    ("show", "7f3a", "--json"),
    ("show", "ab00", "--json"),
    ("show", "0af7", "--json"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds the sample night."""
    path = tmp_path_factory.mktemp("night") / "jobspan.duckdb"
    kept = Kept(path)
    for span in night().spans:
        kept.keep(traces(_message(span), resource=span.resource))
    kept.store.close()
    return path


@pytest.mark.parametrize("words", _SCREENS, ids=" ".join)
def test_the_real_store_gives_the_screen_that_the_twin_gives(words: Sequence[str], store: Path) -> None:
    assert typed(*words, backend=open_backend(store)) == typed(*words, backend=Twin(night().spans))


class Serving(NamedTuple):
    """A running ``jobspan serve``: what it printed, and its process."""

    said: str
    process: subprocess.Popen[str]

    @property
    def http(self) -> str:
        """The address that it printed."""
        (address,) = re.findall(r"OTLP over HTTP +(\S+)", self.said)
        return str(address)


@pytest.fixture
def serving(store: Path) -> Iterator[Serving]:
    """``jobspan serve`` over the night's store, until the test ends."""
    ports = ("--grpc-port", "0", "--http-port", "0", "--keep", "off")
    process = _jobspan("serve", "--store", str(store), *ports)
    assert process.stdout
    said = ""
    while "Next:" not in said and (line := process.stdout.readline()):
        said += line
    yield Serving(said, process)
    process.kill()
    process.communicate()


def test_serve_says_where_it_listens_and_what_to_set_in_a_worker(serving: Serving, store: Path) -> None:
    said = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", serving.said)
    assert (
        said
        == f"""\
Receiving into {store}
  OTLP over gRPC  ADDRESS
  OTLP over HTTP  http://ADDRESS
In the environment of your commands and workers, one of:
  OTEL_EXPORTER_OTLP_ENDPOINT=http://ADDRESS
  OTEL_EXPORTER_OTLP_ENDPOINT=http://ADDRESS OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
Next: jobspan runs --store {store} (in another terminal) · Ctrl-C stops this.
"""
    )


@pytest.mark.parametrize("where", ["--store", "--backend"])
def test_a_running_server_is_asked_for_its_store(where: str, serving: Serving, store: Path) -> None:
    given = str(store) if where == "--store" else serving.http
    read_query = _jobspan("show", "030f", "--utc", where, given)
    out, err = read_query.communicate(timeout=60)
    out = re.sub("(Mar 01|2026-03-01) ", "", out).replace(f" {where} {given}", "")
    assert Seen(read_query.returncode, out, err) == typed("show", "030f", "--utc", backend=Twin(night().spans))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_stops_quietly(number: signal.Signals, serving: Serving) -> None:
    serving.process.send_signal(number)
    out, err = serving.process.communicate(timeout=60)
    assert (serving.process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_is_one_line_and_exit_code_2(serving: Serving, tmp_path: Path) -> None:
    port = serving.http.rpartition(":")[2]
    second = _jobspan("serve", "--store", str(tmp_path / "other"), "--http-port", port, "--grpc-port", "0")
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out, err.count("\n")) == (2, "", 1)
    assert port in err


def test_a_server_that_does_not_answer_is_one_line_and_exit_code_2() -> None:
    read_query = _jobspan("failed", "--backend", "http://127.0.0.1:9")
    out, err = read_query.communicate(timeout=60)
    assert (read_query.returncode, out, err.count("\n")) == (2, "", 1)
    assert "127.0.0.1:9" in err


def _jobspan(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from jobspan.cli import main; main()", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env={**os.environ, "PYTHONUTF8": "1"})


def _message(span: Span) -> SpanMessage:
    message = SpanMessage(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id or ""),
        name=span.name,
        kind=SpanMessage.SpanKind.Value(f"SPAN_KIND_{span.kind.upper()}"),
        start_time_unix_nano=span.start_ns,
        end_time_unix_nano=span.end_ns,
        status=Status(
            code=Status.STATUS_CODE_ERROR if span.is_error else Status.STATUS_CODE_UNSET, message=span.status_message
        ),
        attributes=pairs(span.attributes),
    )
    for event in span.events:
        message.events.add(name=event.name, time_unix_nano=event.time_ns, attributes=pairs(event.attributes))
    for link in span.links:
        ids = {"trace_id": bytes.fromhex(link.trace_id), "span_id": bytes.fromhex(link.span_id)}
        message.links.add(**ids, attributes=pairs(link.attributes))
    return message
