"""Celery jobs that use a known amount of memory, each in its own way; ``command.py put hungry:mapped=80`` puts one."""

from __future__ import annotations

import os
import resource
import time

from celery import Task
from celery.signals import worker_process_init

from apps import appetites
from apps.celery_app import _noted, allocate, app, ok, put
from support import diary

__all__ = ["allocate", "app", "ok", "put"]


@worker_process_init.connect(weak=False)
def _overeat(**_: object) -> None:
    appetites.python(int(os.environ.get("TEST_EARLY_MEGABYTES", "0")))


@app.task(bind=True)
def native(self: Task, megabytes: int) -> None:
    """Let numpy hold so much for a moment."""
    with _noted(self):
        appetites.native(megabytes)


@app.task(bind=True)
def mapped(self: Task, megabytes: int) -> None:
    """Map so much for a moment."""
    with _noted(self):
        appetites.mapped(megabytes)


@app.task(bind=True)
def hold(self: Task, megabytes: int) -> None:
    """Hold so much for a second."""
    with _noted(self):
        appetites.hold(megabytes, 1.0)


@app.task(bind=True)
def around_another(self: Task, megabytes: int) -> None:
    """Run another job in the midst of it, which takes so much and more than itself."""
    with _noted(self):
        allocate.apply((megabytes,))


@app.task(bind=True)
def killed_holding(self: Task, megabytes: int) -> None:
    """Be killed while holding so much, after the record has been written twice."""
    with _noted(self):
        held = b"x" * (megabytes * appetites.MEGABYTE)
        time.sleep(2.5)
        os.kill(os.getpid(), 9)
        len(held)


@app.task(bind=True)
def see_the_mark(self: Task, least_megabytes: int) -> None:
    """Write down a mark that is lower than it was before."""
    with _noted(self):
        mark = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        if mark < least_megabytes:
            diary.trouble(f"ru_maxrss is {mark} MB")
