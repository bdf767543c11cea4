"""Dramatiq actors with options in every place, seeded ones, and ones that say what job they are."""

from __future__ import annotations

import random

import dramatiq
from opentelemetry.instrumentation.utils import suppress_instrumentation

import jobspan
from apps import dramatiq_app
from apps.dramatiq_app import _noted, put
from apps.speech import speak

ok = dramatiq_app.ok


@dramatiq.actor(queue_name="work")
@jobspan.options(trace=False)
def inside() -> None:
    """Publish ``ok``; the mark is under the actor's decorator."""
    put(ok)


@jobspan.options(trace=False)
@dramatiq.actor(queue_name="work")
def outside() -> None:
    """Publish ``ok``; the mark is above the actor's decorator."""
    put(ok)


@dramatiq.actor(queue_name="work")
@jobspan.options(args=True, memory=False, relation="link")
def pay(card: str, api_key: str, *, note: str = "") -> None:
    """Say on the span which job this is."""
    job = jobspan.current_job()
    if job is not None:
        job.span.set_attribute("shop.job", f"{job.name} {job.id} {job.attempt}")


@dramatiq.actor(queue_name="work")
def seeded(depth: int = 1) -> None:
    """Seed the module's generator, and publish the same again."""
    with _noted():
        random.seed(42)
        if depth:
            put(seeded, depth - 1)


@dramatiq.actor(queue_name="work")
def speaks() -> None:
    """Emit a log record and a span of the job's own, and publish ``ok`` unseen."""
    speak()
    with suppress_instrumentation():
        ok.send()
