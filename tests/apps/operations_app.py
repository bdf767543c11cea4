"""Celery jobs in conditions that an operator is told of; ``command.py put operations:fails_after=3`` puts one."""

from __future__ import annotations

import time

from celery import Task

from apps.celery_app import _noted, app, fail, ok, put, slow
from apps.errors import CardDeclined
from apps.mortal_app import killed

__all__ = ["app", "fail", "killed", "ok", "put", "slow"]


# Every second, where Celery beat runs.
app.conf.beat_schedule = {"pulse": {"task": ok.name, "schedule": 1.0, "options": {"queue": "work"}}}


@app.task(bind=True)
def fails_after(self: Task, seconds: float) -> None:
    """Fail after a while."""
    with _noted(self) as run:
        run.will("failed", final=True)
        time.sleep(seconds)
        raise CardDeclined("too late")


@app.task(bind=True)
def tells_too_much(self: Task, text: str) -> None:
    """Fail with personal data in the message."""
    with _noted(self) as run:
        run.will("failed", final=True)
        raise CardDeclined(text)


@app.task(bind=True, max_retries=None)
def asks_again(self: Task, times: int) -> None:
    """Ask for a retry so often."""
    with _noted(self) as run:
        if self.request.retries < times:
            run.will_ask_again()
            raise self.retry(countdown=0)
