"""Prints how many of our bytecodes a real job takes, put and run, from the library's hooks to the span: by framework.

``python -m apps.counted_hooks {celery,dramatiq} {recorded,not sampled,no SDK}``. The run is the library's own, in this
thread: a count is of one thread only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

import jobspan
from support.bytecodes import bytecodes_of

OURS = Path(jobspan.__file__).parent
Steps = tuple[Callable[[], Any], Callable[[], Any]]


def noop() -> None:
    """Do nothing."""


def celery_steps() -> Steps:
    """Return how a task is put on the memory transport, and how a worker does the one that was put last."""
    from celery import Celery
    from celery.app.trace import build_tracer

    jobspan.CeleryInstrumentor().instrument(state_dir="off", memory="off")
    app = Celery("shop", broker="memory://")
    app.conf.task_ignore_result = True
    task = app.task(name="noop")(noop)
    app.finalize()
    do = build_tracer(task.name, task, app=app)
    connection = app.connection_for_write()
    queue = connection.SimpleQueue("celery")
    message: list[Any] = []

    def publish() -> None:
        task.delay()

    def run() -> None:
        message[:] = [queue.get(timeout=10)]
        said = message[0]
        request = {**said.headers, "delivery_info": {"routing_key": "celery"}, "hostname": "worker@host"}
        do(said.headers["id"], (), {}, request)

    return publish, run


def dramatiq_steps() -> Steps:
    """Return how an actor is put on the stub broker, and how a worker's middleware sees it run."""
    import dramatiq
    from dramatiq.brokers.stub import StubBroker

    jobspan.DramatiqInstrumentor().instrument(state_dir="off", memory="off")
    broker = StubBroker()
    dramatiq.set_broker(broker)
    actor = dramatiq.actor(noop)
    sent: list[Any] = []

    def publish() -> None:
        sent[:] = [actor.send()]

    def run() -> None:
        message = dramatiq.MessageProxy(dramatiq.Message.decode(sent[0].encode()))
        broker.emit_before("process_message", message)
        broker.emit_after("process_message", message, result=None)

    return publish, run


if __name__ == "__main__":
    framework, case = sys.argv[1:]
    if case != "no SDK":
        trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_ON if case == "recorded" else ALWAYS_OFF))
    publish, run = {"celery": celery_steps, "dramatiq": dramatiq_steps}[framework]()
    for _ in range(2):  # what is worked out only once is worked out
        publish()
        run()
    print(json.dumps([bytecodes_of(publish, OURS), bytecodes_of(run, OURS)]))
