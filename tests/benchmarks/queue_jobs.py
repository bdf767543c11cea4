"""The jobs of the real workers: 5 ms of waiting, and a line in a file that says when they began and ended.

Imported by workers (``celery -A``, ``dramatiq``) and by the producers that put the jobs, which ask line by line:
``python -m benchmarks.queue_jobs LIBRARY`` and then ``put 400 0.01``: so many jobs, so many seconds apart.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.contenders import CONTENDERS
from benchmarks.queue_names import BROKER, CONTENDER, FILE, LIBRARY

JOB_S = 0.005


def _begin() -> tuple[Any, Callable[[int], Any]]:
    """Make the app or broker, instrumented as the environment says, and the call that puts a job."""
    library, url = os.environ[LIBRARY], os.environ[BROKER]
    CONTENDERS[os.environ[CONTENDER]].begin(library)
    diary = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def wait(put_ns: int) -> None:
        began_ns = time.time_ns()
        time.sleep(JOB_S)
        os.write(diary, f"{put_ns} {began_ns} {time.time_ns()}\n".encode())

    if library == "celery":
        from celery import Celery

        app = Celery("bench", broker=url)
        app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
        return app, app.task(name="wait")(wait).delay
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=url)  # type: ignore[no-untyped-call]  # it has no types
    dramatiq.set_broker(broker)
    return broker, dramatiq.actor(wait).send


app, put = _begin()


def main() -> None:
    """Put jobs as asked."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        _, number, apart_s = line.split()
        for _ in range(int(number)):
            put(time.time_ns())
            if float(apart_s):
                time.sleep(float(apart_s))
        print(json.dumps({"put": int(number)}), flush=True)


if __name__ == "__main__":
    main()
