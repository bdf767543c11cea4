"""Celery tasks with options in every place, seeded ones, and ones that say what job they are."""

from __future__ import annotations

import random
from typing import Any

from opentelemetry.instrumentation.utils import suppress_instrumentation

import jobspan
from apps import celery_app
from apps.celery_app import app, put
from apps.speech import speak
from support import diary

ok = celery_app.ok


@app.task(bind=True)
@jobspan.options(trace=False)
def inside(self: Any) -> None:
    """Publish ``ok``; the mark is under the task's decorator."""
    put(ok)


@jobspan.options(trace=False)
@app.task(bind=True)
def outside(self: Any) -> None:
    """Publish ``ok``; the mark is above the task's decorator."""
    put(ok)


@app.task(bind=True, ignore_result=True)
@jobspan.options(args=True, memory=False, relation="link")
def pay(self: Any, card: str, api_key: str, *, note: str = "") -> None:
    """Say on the span which job this is."""
    job = jobspan.current_job()
    if job is not None:
        job.span.set_attribute("shop.job", f"{job.name} {job.id} {job.attempt}")


@app.task(bind=True)
def seeded(self: Any, depth: int = 1) -> None:
    """Seed the module's generator, and publish the same again."""
    with diary.run("celery", self.name, self.request.id, self.request.retries + 1):
        random.seed(42)
        if depth:
            put(seeded, depth - 1)


@app.task(bind=True)
def speaks(self: Any) -> None:
    """Emit a log record and a span of the job's own, and publish ``ok`` unseen."""
    speak()
    with suppress_instrumentation():
        ok.delay()
