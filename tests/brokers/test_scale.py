"""One command puts very many jobs: every one of them says whose it is, and neither trace nor memory grows with them.

``JOBSPAN_SCALE`` is how many: 20,000 where it is not set. What was seen is printed (``-s``).
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from typing import Any

import redis as redis_client

from jobspan import conventions as c
from jobspan.runs import is_command, is_publish, is_publish_batch
from support.otlp import Collector
from support.stage import Stage
from support.workers import TESTS

JOBS = int(os.environ.get("JOBSPAN_SCALE", "20000"))
TRACE_JOB_LIMIT, IN_A_BATCH = 1000, 1000
MOST_GROWTH_BYTES = 8 * 1024 * 1024
TEMPOS_LIMIT_BYTES = 5_000_000


class Weighing:
    """Adds up the bytes of all traces that a collector is sent."""

    def __init__(self, collector: Collector) -> None:
        self.bytes = 0
        self._accept = collector.accept
        collector.accept = self  # type: ignore[method-assign]  # for the time of one test

    def __call__(self, signal: str, transport: str, request: Any) -> Any:
        """Take a request."""
        if signal == "traces":
            self.bytes += request.ByteSize()
        return self._accept(signal, transport, request)


def fields_of(broker_url: str) -> Counter[tuple[str, str, bool]]:
    """Count the messages in the queue by command id, trace id, and whether their run begins a trace."""
    client = redis_client.Redis.from_url(broker_url)
    found: Counter[tuple[str, str, bool]] = Counter()
    for start in range(0, client.llen("many"), 10_000):
        for raw in client.lrange("many", start, start + 9_999):
            headers = json.loads(raw)["headers"]
            parts = dict(part.split("=", 1) for part in headers[c.FIELD].split(";")[1:])
            found[parts["c"], headers["traceparent"].split("-")[1], parts.get("x") == "1"] += 1
    client.close()
    return found


def test_every_job_of_a_large_command_is_its_own_and_the_trace_stays_small(stage: Stage) -> None:
    weighing = Weighing(stage.collector)
    assert stage.run("python", str(TESTS / "apps" / "many.py"), str(JOBS), name="many", deadline_s=60 + JOBS / 300) == 0
    spans = stage.collector.spans
    (command,) = (span for span in spans if is_command(span))
    publishes = [span for span in spans if is_publish(span)]
    batches = [span for span in spans if is_publish_batch(span)]
    assert command.attributes[c.JOBSPAN_COMMAND_JOBS_PUBLISHED] == JOBS
    assert len(publishes) == min(JOBS, TRACE_JOB_LIMIT)
    assert sum(span.attributes[c.MESSAGING_BATCH_MESSAGE_COUNT] for span in batches) == JOBS - len(publishes)
    assert {span.trace_id for span in spans} == {command.trace_id}
    assert {span.attributes[c.JOBSPAN_COMMAND_ID] for span in spans} == {command.span_id}
    assert fields_of(stage.broker.url) == Counter(
        {
            (command.span_id, command.trace_id, False): len(publishes),
            (command.span_id, command.trace_id, True): JOBS - len(publishes),
        }
    )
    resident = [int(found) for found in re.findall(r"resident (\d+)", (stage.folder / "many.log").read_text())]
    growth = resident[-1] - resident[1]
    print(
        f"\n{JOBS} jobs: {len(spans)} spans in the trace ({len(batches)} batches), {weighing.bytes:,} bytes of OTLP; "
        f"resident at each tenth, MB: {[round(size / 1e6, 1) for size in resident]}"
    )
    assert weighing.bytes < TEMPOS_LIMIT_BYTES
    assert growth < MOST_GROWTH_BYTES
