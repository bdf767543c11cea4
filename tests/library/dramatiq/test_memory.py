"""A Dramatiq worker does not grow with the jobs that it runs."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, logging, sys
import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import SkipMessage
from opentelemetry.trace import get_current_span
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
        leaked.append(get_current_span()) if leaks else None
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
    for letters in broker.dead_letters_by_queue.values():
        letters.clear()
    gc.collect()
    return sys.getallocatedblocks()

leaks, leaked = False, []
held = [run(2_000) for _ in range(5)]
leaks = True
with_leak = run(2_000)
worker.stop()
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
