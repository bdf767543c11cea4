"""The embedded store: spans a second through a real ``jobspan serve``, bytes on disk, and questions to a big store."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import grpc
import httpx
import psutil

from backends.otlp_server import PROTOBUF, Server
from benchmarks.figures import Figure, figure
from benchmarks.story import COMMAND_ID, HOUR_NS, SPANS_A_REQUEST, requests
from jobspan.backends.ids import head_sql
from support.workers import script

_GROUP = "store"
_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_ROUNDS, _REQUESTS, _AT_ONCE = 3, 40, 4
_SPANS = 10_000_000
_ASKED = 9


def measure() -> list[Figure]:
    """Fill a store over both protocols, in turn, then make it big and ask it."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "store.duckdb"
        now_ns = time.time_ns()
        with Server(path) as server:
            figures, sent = _filled(server, now_ns)
            kept = server.stats()["spans"]
            assert kept == sent, f"the store has {kept} spans, expected {sent}"
        figures.append(figure(_GROUP, "on disk", "bytes/span", [path.stat().st_size / sent], aim=200))
        spans = _grown(path)
        figures.append(figure(_GROUP, "on disk, big", "bytes/span", [path.stat().st_size / spans], aim=200))
        with Server(path) as server:
            figures += _asked(server, spans)
    return figures


def _filled(server: Server, now_ns: int) -> tuple[list[Figure], int]:
    rates: dict[str, list[float]] = {"gRPC": [], "HTTP": []}
    cpu: dict[str, list[float]] = {"gRPC": [], "HTTP": []}
    process = psutil.Process(server.program.pid)
    for number in range(_ROUNDS):
        for way, send in (("gRPC", _over_grpc), ("HTTP", _over_http)):
            bodies = list(requests(_REQUESTS, now_ns, seed=f"{way} {number}"))
            spans, began = _REQUESTS * SPANS_A_REQUEST, time.perf_counter()
            cpu_began = sum(process.cpu_times()[:2])
            send(server, bodies)
            rates[way].append(spans / (time.perf_counter() - began))
            cpu[way].append((sum(process.cpu_times()[:2]) - cpu_began) / spans * 1e6)
    resident_mb = process.memory_info().rss / 1e6
    figures = [
        found
        for way in rates
        for found in (
            figure(_GROUP, f"kept over {way}", "spans/s", rates[way], aim=20_000, is_least=True),
            figure(_GROUP, f"CPU of the server over {way}", "µs/span", cpu[way]),
        )
    ]
    figures.append(figure(_GROUP, "resident memory of the server after that", "MB", [resident_mb]))
    return figures, 2 * _ROUNDS * _REQUESTS * SPANS_A_REQUEST


def _over_grpc(server: Server, bodies: Iterable[bytes]) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        call: Callable[..., grpc.Future] = channel.unary_unary(_METHOD).future
        under_way: deque[grpc.Future] = deque()
        for body in bodies:
            under_way.append(call(body, timeout=60))
            if len(under_way) >= _AT_ONCE:
                under_way.popleft().result()
        for each in under_way:
            each.result()


def _over_http(server: Server, bodies: Iterable[bytes]) -> None:
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(_AT_ONCE) as pool:
        url = f"{server.http}/v1/traces"
        for answer in pool.map(lambda body: client.post(url, content=body, headers=PROTOBUF), bodies):
            answer.raise_for_status()


def _grown(path: Path) -> int:
    """Put the same spans again under other ids, an hour earlier each time, and return how many there are."""
    with duckdb.connect(str(path)) as store:
        store.execute("CREATE TEMP TABLE hour AS SELECT * FROM spans ORDER BY end_ns")
        # In the order in which a server would have taken them: the zone maps of the times are narrow.
        store.execute("DELETE FROM spans")
        store.execute("CHECKPOINT")
        hours = _SPANS // store.execute("SELECT count(*) FROM hour").fetchall()[0][0]
        for hour in range(hours, 0, -1):
            store.execute(f"INSERT INTO spans SELECT * REPLACE ({_earlier(hour)}) FROM hour")  # noqa: S608 - numbers
        store.execute("INSERT INTO spans SELECT * FROM hour")
        found = store.execute("SELECT count(*) FROM spans").fetchall()
    return int(found[0][0])


def _earlier(hour: int) -> str:
    """Return the columns of another hour's spans: its times and ids, those of its jobs and commands and their heads."""
    numbers = ("trace_hi", "trace_lo", "span_id", "parent_id")
    texts = {"job_id": 32, "workflow_id": 32, "command_id": 16}

    def made(column: str, digits: int) -> str:
        return f"substr(md5({column} || '{hour}'), 1, {digits})"

    return ", ".join(
        (
            *(f"{column} - {hour * HOUR_NS} AS {column}" for column in ("start_ns", "end_ns")),
            *(f"hash({column}, {hour}) AS {column}" for column in numbers),
            *(f"{made(column, digits)} AS {column}" for column, digits in texts.items()),
            *(f"{head_sql(made(f'{kind}_id', texts[f'{kind}_id']))} AS {kind}_head" for kind in ("command", "job")),
        )
    )


def _asked(server: Server, spans: int) -> list[Figure]:
    size = f"{spans / 1e6:.1f} million spans"
    questions: tuple[tuple[str, float | None, tuple[str, ...]], ...] = (
        (f"jobspan failed --since 1h, {size}", 300, ("failed", "--since", "1h")),
        (f"jobspan show COMMAND, {size}", 300, ("show", COMMAND_ID[:8])),
        (f"jobspan runs --since 1h, {size}", None, ("runs", "--since", "1h")),
        ("of that jobspan --version", None, ("--version",)),
    )
    return [
        figure(_GROUP, name, "ms", [_answered_ms(server, *words) for _ in range(_ASKED)], aim=aim)
        for name, aim, words in questions
    ]


def _answered_ms(server: Server, *words: str) -> float:
    env = os.environ | {"JOBSPAN_BACKEND": server.http}
    began = time.perf_counter()
    told = subprocess.run([script("jobspan"), *words], env=env, capture_output=True, check=False)
    took = time.perf_counter() - began
    assert told.returncode == 0, f"jobspan {' '.join(words)} answered {told.returncode}: {told.stderr.decode()}"
    return took * 1e3
