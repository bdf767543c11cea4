"""A script that puts very many jobs: ``many.py 20000``; it says how much memory it has at each tenth."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celery import Celery

app = Celery("many", broker=os.environ["TEST_BROKER_URL"])
app.conf.update(task_default_queue="many", task_ignore_result=True)


@app.task(name="import_row")
def import_row(number: int) -> None:
    """Import a row."""


def resident_bytes() -> int:
    """Return the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    jobs = int(sys.argv[1])
    for number in range(jobs):
        import_row.delay(number)
        if (number + 1) % (jobs // 10) == 0:
            print("resident", resident_bytes(), flush=True)
