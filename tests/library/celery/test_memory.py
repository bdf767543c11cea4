"""A worker does not grow with the jobs that it runs."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, logging
import psutil
from celery import Celery
from celery.app.trace import build_tracer
from celery.exceptions import Ignore, Reject
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
    return psutil.Process().memory_info().rss

sizes = [run(20_000) for _ in range(5)]
print((min(sizes[2:]) - sizes[0]) // 1024, sum(map(len, open_spans._tables)))
"""


def test_after_a_hundred_thousand_jobs_nothing_is_open_and_no_memory_is_held() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    grown_kib, still_open = map(int, done.stdout.split())
    assert still_open == 0
    # A span that was kept would be a kilobyte a job: 40 MB by the third 20,000. The allocator comes and goes by a few.
    assert grown_kib < 8 * 1024
