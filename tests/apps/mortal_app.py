"""Celery jobs that take their process with them; ``command.py put mortal:killed=9`` puts one."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from celery import Task
from celery.signals import before_task_publish

from apps.celery_app import _noted, app, ok, put, slow

__all__ = ["app", "ok", "put", "slow"]


@app.task(bind=True)
def killed(self: Task, number: int) -> None:
    """Be killed by a signal in the midst of it."""
    with _noted(self):
        os.kill(os.getpid(), number)
        time.sleep(30)


@app.task(bind=True)
def gone(self: Task, code: int) -> None:
    """Leave without a word."""
    with _noted(self):
        os._exit(code)


@app.task(bind=True)
def killed_after(self: Task, seconds: float) -> None:
    """Be killed by nobody else after so long."""
    with _noted(self):
        time.sleep(seconds)
        os.kill(os.getpid(), 9)
        time.sleep(30)


@app.task(bind=True, acks_late=True)
def killed_late(self: Task) -> None:
    """Be killed, the message not yet acknowledged."""
    with _noted(self):
        os.kill(os.getpid(), 9)
        time.sleep(30)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def killed_once(self: Task) -> None:
    """Be killed the first time; Celery puts the message back."""
    with _noted(self):
        if not self.request.delivery_info["redelivered"]:
            os.kill(os.getpid(), 9)
            time.sleep(30)


@app.task(bind=True, retry_on_worker_lost=True, max_retries=1, default_retry_delay=0)
def killed_and_retried(self: Task) -> None:
    """Be killed the first time; Celery asks for a retry in our place."""
    with _noted(self):
        if not self.request.retries:
            os.kill(os.getpid(), 9)
            time.sleep(30)


@app.task(bind=True)
def brief(self: Task, milliseconds: int) -> None:
    """Take a short while."""
    with _noted(self):
        time.sleep(milliseconds / 1000)


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def persistent(self: Task, milliseconds: int) -> None:
    """Take a short while; Celery puts the message back when the process dies."""
    with _noted(self):
        time.sleep(milliseconds / 1000)
        put(ok)


@app.task(bind=True)
def killed_in_a_publish(self: Task) -> None:
    """Be killed when the message of another job is complete and has not left."""
    with _noted(self):

        def kill(**_: object) -> None:
            os.kill(os.getpid(), 9)
            time.sleep(30)

        before_task_publish.connect(kill, weak=False)
        put(ok)


@app.task(bind=True)
def undeterred(self: Task, seconds: float) -> None:
    """Swallow its exit, and go on."""
    with _noted(self):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(SystemExit):
                time.sleep(seconds)
