"""The Celery application with somebody else's tracing switched on, as their users do it; ``TEST_BESIDE`` says whose."""

from __future__ import annotations

import atexit
import json
import os
from pathlib import Path
from typing import Any

from celery import signals

from apps import celery_app
from apps.celery_app import app

__all__ = ["app", "celery_app"]


def seen(who: str, name: Any) -> None:
    """Write down a span of theirs, from whatever process."""
    with Path(os.environ["TEST_BESIDE_SEEN"]).open("a") as file:
        file.write(json.dumps([who, name]) + "\n")


def contrib() -> None:
    """OpenTelemetry's own, in each worker process, as its documentation says."""
    from opentelemetry.instrumentation import celery as theirs

    kind: Any = theirs.CeleryInstrumentor  # not typed
    kind().instrument()


def sentry() -> None:
    """Sentry with its Celery integration, and a transport that keeps what it is given."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Kept(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            for item in envelope.items:
                payload = item.payload.json or {}
                if item.type in ("transaction", "event"):
                    values = (payload.get("exception") or {}).get("values") or [{}]
                    seen(item.type, payload.get("transaction") if item.type == "transaction" else values[-1]["type"])

    sentry_sdk.init(dsn="http://key@localhost:1/1", traces_sample_rate=1.0, transport=Kept)


def ddtrace() -> None:
    """Datadog's tracer with its Celery integration, and a filter that keeps what it is given."""
    from ddtrace import patch
    from ddtrace.trace import TraceFilter, tracer

    class Kept(TraceFilter):
        def process_trace(self, trace: Any) -> None:
            for span in trace:
                seen("span", f"{span.name} {span.resource}")

    tracer.configure(trace_processors=[Kept()])
    patch(celery=True)
    atexit.unregister(tracer.shutdown)


WHEN = os.environ["TEST_BESIDE"].split()
if "contrib_in_child" in WHEN:
    signals.worker_process_init.connect(lambda **_: contrib(), weak=False)
for name, begin in (("contrib", contrib), ("sentry", sentry), ("ddtrace", ddtrace)):
    if name in WHEN:
        begin()
