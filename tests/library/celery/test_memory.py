"""A worker does not grow with the jobs that it runs."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, logging, sys
from celery import Celery
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Reject
from opentelemetry.trace import get_current_span
from opentelemetry.sdk.trace import TracerProvider
from jobspan import CeleryInstrumentor
from jobspan.recording.registry import open_spans

logging.disable(logging.CRITICAL)
app = Celery(broker="memory://")
app.conf.task_ignore_result = True
CeleryInstrumentor().instrument(tracer_provider=TracerProvider())

@app.task(bind=True)
def job(self, number):
    if number % 60 == 1:
        leaked.append(get_current_span()) if leaks else None
        raise LookupError(number)
    if number % 60 == 2:
        raise Ignore
    if number % 60 == 3:
        raise Reject(number, requeue=False)

tracer = build_tracer(job.name, job, app=app)

def run(jobs):
    for number in range(jobs):
        tracer(str(number), (number,), {}, {"id": str(number), "delivery_info": {"routing_key": "work"}})
    gc.collect()  # Celery leaves cycles behind each failure
    return sys.getallocatedblocks()

leaks, leaked = False, []
held = [run(2_000) for _ in range(5)]
leaks = True
with_leak = run(2_000)
print((min(held[3:]) - held[0]) / 6_000, (with_leak - held[-1]) / 2_000, sum(map(len, open_spans._tables)))
"""


def test_after_ten_thousand_jobs_nothing_is_open_and_no_memory_is_held() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    blocks_a_job, with_a_leak, still_open = map(float, done.stdout.split())
    assert still_open == 0
    # The blocks that Python allocated are counted, where the size of the process comes and goes by megabytes.
    # In the last round the test keeps the span of one job in sixty: it is found.
    assert blocks_a_job < 0.3 < with_a_leak
