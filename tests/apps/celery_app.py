"""A Celery application: jobs that succeed, take time, fail, are retried in both ways, publish, and use memory."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from typing import Any

from celery import Celery, Task

from apps.errors import CardDeclined, NotYet, decline
from support import diary

app = Celery("apps", broker=os.environ["TEST_BROKER_URL"])
app.conf.update(
    task_default_queue="work",
    task_ignore_result=True,
    worker_hijack_root_logger=True,
    broker_connection_retry_on_startup=True,
)


def _noted(task: Any) -> AbstractContextManager[diary.RunNotes]:
    return diary.run("celery", task.name, task.request.id, task.request.retries + 1)


def put(task: Task, *args: Any, **options: Any) -> str:
    """Publish a job, write it down and return its id."""
    job_id: str = task.apply_async(args=args, **options).id
    diary.published("celery", task.name, job_id)
    return job_id


@app.task(bind=True)
def ok(self: Task, number: int = 1) -> int:
    """Succeed."""
    with _noted(self):
        return number


@app.task(bind=True)
def slow(self: Task, seconds: float) -> None:
    """Take time."""
    with _noted(self):
        time.sleep(seconds)


@app.task(bind=True)
def fail(self: Task, card: str = "4711") -> None:
    """Fail with a chained exception."""
    with _noted(self) as run:
        run.will("failed", final=True)
        decline(card)


@app.task(bind=True, max_retries=3)
def retry_then_succeed(self: Task, failures: int = 1) -> None:
    """Ask for a retry so often, then succeed."""
    with _noted(self) as run:
        if self.request.retries < failures:
            error = NotYet(f"attempt {self.request.retries + 1}")
            run.will("retried", final=False, error=error)
            raise self.retry(exc=error, countdown=0)


@app.task(bind=True, max_retries=3)
def ask_again_then_succeed(self: Task, failures: int = 1) -> None:
    """Ask for a retry without a reason so often, then succeed."""
    with _noted(self) as run:
        if self.request.retries < failures:
            run.will_ask_again()
            raise self.retry(countdown=0)


@app.task(bind=True, autoretry_for=(NotYet,), max_retries=3, retry_backoff=False, default_retry_delay=0)
def autoretry_then_succeed(self: Task, failures: int = 1) -> None:
    """Raise what is retried automatically so often, then succeed."""
    # The task's own body is wrapped by autoretry, so its exception is what leaves here.
    with _noted(self) as run:
        if self.request.retries < failures:
            run.will("retried", final=False)
            raise NotYet(f"attempt {self.request.retries + 1}")


@app.task(bind=True, autoretry_for=(CardDeclined,), max_retries=1, retry_backoff=False, default_retry_delay=0)
def exhaust(self: Task) -> None:
    """Fail, be retried once, and fail for good."""
    with _noted(self) as run:
        last = self.request.retries >= 1
        run.will("failed" if last else "retried", final=last)
        decline("4711")


@app.task(bind=True)
def nest(self: Task, depth: int = 1) -> None:
    """Publish ``ok``, or itself until the depth is reached."""
    with _noted(self):
        put(ok) if depth <= 1 else put(nest, depth - 1)


@app.task(bind=True)
def allocate(self: Task, megabytes: int) -> int:
    """Hold so much touched memory for a moment, and let it go."""
    with _noted(self):
        return len(bytearray(b"x") * (megabytes * 1024 * 1024))
