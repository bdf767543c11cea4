"""What a worker exports, as requests ready to be sent: publish and run spans of one command, a few of them failed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from backends.otlp_requests import span_message, traces
from jobspan import conventions as c

HOUR_NS = 3600 * 10**9
SPANS_A_REQUEST = 512
COMMAND_ID = "00f067aa0ba902b7"
_COMMAND_EVERY, _FAILED_EVERY = 100, 200


def requests(number: int, now_ns: int, seed: str) -> Iterator[bytes]:
    """Yield so many requests of spans that ended within the hour before now."""
    chance = random.Random(seed)
    for _ in range(number):
        spans: list[Span] = []
        for index in range(SPANS_A_REQUEST // 2):
            at_ns = now_ns - chance.randrange(60 * 10**9, HOUR_NS - 60 * 10**9)
            spans += _job(chance, at_ns, is_failed=index % _FAILED_EVERY == 0, is_ours=index % _COMMAND_EVERY == 1)
        yield traces(*spans).SerializeToString()


def _job(chance: random.Random, at_ns: int, *, is_failed: bool, is_ours: bool) -> tuple[Span, Span]:
    name, trace_id, publish_id = f"shop.job_{chance.randrange(20)}", chance.randbytes(16), chance.randbytes(8)
    common: dict[str, Any] = {
        c.MESSAGING_SYSTEM: "redis",
        c.MESSAGING_DESTINATION_NAME: f"queue-{chance.randrange(4)}",
        c.MESSAGING_MESSAGE_ID: f"{chance.getrandbits(128):032x}",
        c.MESSAGING_CONVERSATION_ID: f"{chance.getrandbits(128):032x}",
        c.SERVER_ADDRESS: "redis.internal",
        c.SERVER_PORT: 6379,
        c.JOBSPAN_FRAMEWORK: "celery",
        c.JOBSPAN_JOB_NAME: name,
        c.JOBSPAN_JOB_ATTEMPT: 1,
        c.JOBSPAN_COMMAND_ID: COMMAND_ID if is_ours else f"{chance.getrandbits(64):016x}",
        c.JOBSPAN_COMMAND_NAME: "mytool import",
    }
    publish = span_message(
        common | {c.MESSAGING_OPERATION_NAME: "publish", c.MESSAGING_OPERATION_TYPE: "send"},
        trace_id=trace_id,
        span_id=publish_id,
        name=f"publish {name}",
        kind=Span.SPAN_KIND_PRODUCER,
        start_time_unix_nano=at_ns,
        end_time_unix_nano=at_ns + 2_000_000,
    )
    run = span_message(
        common
        | {
            c.MESSAGING_OPERATION_NAME: "run",
            c.MESSAGING_OPERATION_TYPE: "process",
            c.MESSAGING_CLIENT_ID: "celery@worker",
            c.CODE_FUNCTION_NAME: name,
            c.JOBSPAN_JOB_WAIT_QUEUED: chance.random(),
            c.JOBSPAN_JOB_WAIT_PREFETCHED: chance.random(),
            c.JOBSPAN_JOB_OUTCOME: "failed" if is_failed else "succeeded",
            c.JOBSPAN_JOB_FINAL: True,
            c.PROCESS_PID: 4711,
            c.THREAD_ID: 140000000000,
            c.THREAD_NAME: "MainThread",
            c.JOBSPAN_JOB_CPU_TIME: chance.random(),
            c.JOBSPAN_JOB_MEMORY_START: chance.randrange(10**8),
            c.JOBSPAN_JOB_MEMORY_END: chance.randrange(10**8),
            c.JOBSPAN_JOB_MEMORY_SOURCE: "process",
            **({c.ERROR_TYPE: "shop.errors.CardError"} if is_failed else {}),
        },
        trace_id=trace_id,
        span_id=chance.randbytes(8),
        parent_span_id=publish_id,
        name=f"run {name}",
        start_time_unix_nano=at_ns + 500_000_000,
        end_time_unix_nano=at_ns + 800_000_000,
        status=Status(code=Status.STATUS_CODE_ERROR, message="card declined") if is_failed else Status(),
    )
    run.links.add(trace_id=trace_id, span_id=publish_id)
    return publish, run
