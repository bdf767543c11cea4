"""A Dramatiq worker does not grow with the jobs that it runs."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, logging
import dramatiq, psutil
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import SkipMessage
from opentelemetry.sdk.trace import TracerProvider
from jobspan import DramatiqInstrumentor
from jobspan.recording.registry import open_spans

logging.disable(logging.CRITICAL)
DramatiqInstrumentor().instrument(tracer_provider=TracerProvider())
broker = StubBroker()
dramatiq.set_broker(broker)

@dramatiq.actor(max_retries=0)
def job(number):
    if number % 60 == 1:
        raise LookupError(number)
    if number % 60 == 2:
        raise SkipMessage(number)
    if number % 60 == 3:
        broker.enqueue(job.message(0).copy(actor_name="gone"))

worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=10)
worker.start()

def run(jobs):
    for number in range(jobs):
        job.send(number)
        if number % 1_000 == 999:  # what waits in the queue is the broker's, and more when the machine is busy
            broker.join("default", timeout=100_000, fail_fast=False)
    broker.dead_letters_by_queue.clear()
    gc.collect()
    return psutil.Process().memory_info().rss

sizes = [run(20_000) for _ in range(5)]
worker.stop()
print((min(sizes[2:]) - sizes[0]) // 1024, sum(map(len, open_spans._tables)))
"""


def test_after_a_hundred_thousand_jobs_nothing_is_open_and_no_memory_is_held() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    grown_kib, still_open = map(int, done.stdout.split())
    assert still_open == 0
    # A span that was kept would be a kilobyte a job: 40 MB by the third 20,000. The allocator comes and goes by a few.
    assert grown_kib < 8 * 1024
