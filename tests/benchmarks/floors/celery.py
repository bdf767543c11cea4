"""By hand what jobspan emits of a Celery job that succeeds."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from celery import Celery, signals
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, SpanKind

from benchmarks.floors.metrics import FloorMetrics
from benchmarks.floors.probes import peak_bytes, reset_peak, resident_bytes
from jobspan import conventions as c

_PUBLISHED, _RECEIVED = "floor-published", "floor-received"


def switch_on() -> None:
    """Connect the hooks."""
    floor = _Floor()
    floor.stand_around_send_task()
    signals.before_task_publish.connect(floor.publish, weak=False)
    signals.task_received.connect(floor.received, weak=False)
    signals.task_prerun.connect(floor.begin, weak=False)
    signals.task_postrun.connect(floor.end, weak=False)


class _Floor:
    def __init__(self) -> None:
        self._tracer = trace.get_tracer(c.SCOPE)
        self._metrics = FloorMetrics("celery")
        self._publishing = threading.local()
        self._runs: dict[int, Any] = {}

    def stand_around_send_task(self) -> None:
        send, here, metrics = Celery.send_task, self._publishing, self._metrics

        def send_task(app: Any, *args: Any, **kwargs: Any) -> Any:
            here.began_ns = time.time_ns()
            try:
                return send(app, *args, **kwargs)
            finally:
                ended_ns = time.time_ns()
                here.span.end(ended_ns)
                metrics.published(here.span, here.name, here.queue, (ended_ns - here.began_ns) / 1e9)
                context.detach(here.token)

        Celery.send_task = send_task

    def publish(self, sender: Any, headers: Any, routing_key: Any, **_: Any) -> None:
        here = self._publishing
        here.name, here.queue = sender, routing_key
        here.span = span = self._tracer.start_span(
            f"publish {sender}",
            kind=SpanKind.PRODUCER,
            attributes={
                c.MESSAGING_SYSTEM: "memory",
                c.MESSAGING_OPERATION_NAME: "publish",
                c.MESSAGING_OPERATION_TYPE: "send",
                c.MESSAGING_DESTINATION_NAME: routing_key,
                c.JOBSPAN_FRAMEWORK: "celery",
                c.JOBSPAN_JOB_NAME: sender,
                c.JOBSPAN_JOB_ATTEMPT: headers["retries"] + 1,
                c.MESSAGING_MESSAGE_ID: headers["id"],
                c.MESSAGING_CONVERSATION_ID: headers["root_id"],
            },
            start_time=here.began_ns,
        )
        here.token = context.attach(trace.set_span_in_context(span))
        propagate.inject(headers)
        headers[_PUBLISHED] = here.began_ns

    def received(self, request: Any, **_: Any) -> None:
        request.request_dict[_RECEIVED] = time.time_ns()

    def begin(self, task: Any, **_: Any) -> None:
        now = time.time_ns()
        request = task.request
        headers = vars(request)
        parent = propagate.extract(headers)
        received, queue = headers[_RECEIVED], request.delivery_info["routing_key"]
        queued = (received - headers[_PUBLISHED]) / 1e9
        span = self._tracer.start_span(
            f"run {task.name}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes={
                c.MESSAGING_SYSTEM: "memory",
                c.MESSAGING_OPERATION_NAME: "run",
                c.MESSAGING_OPERATION_TYPE: "process",
                c.MESSAGING_DESTINATION_NAME: queue,
                c.JOBSPAN_FRAMEWORK: "celery",
                c.JOBSPAN_JOB_NAME: task.name,
                c.JOBSPAN_JOB_ATTEMPT: request.retries + 1,
                c.MESSAGING_MESSAGE_ID: request.id,
                c.MESSAGING_CONVERSATION_ID: request.root_id,
                c.MESSAGING_CLIENT_ID: request.hostname,
                c.CODE_FUNCTION_NAME: f"{task.run.__module__}.{task.run.__qualname__}",
                c.JOBSPAN_JOB_WAIT_QUEUED: queued,
            },
            links=[
                Link(trace.get_current_span(parent).get_span_context(), {c.JOBSPAN_LINK_TYPE: c.LINK_PUBLISH}),
            ],
            start_time=now,
        )
        token = context.attach(trace.set_span_in_context(span, parent))
        self._metrics.waited(span, task.name, queue, queued)
        waited = (now - received) / 1e9
        reset_peak()
        self._runs[id(request)] = (span, token, waited, time.thread_time(), resident_bytes(), now, queue)

    def end(self, task: Any, state: str, **_: Any) -> None:
        now = time.time_ns()
        span, token, waited, cpu, resident, began, queue = self._runs.pop(id(task.request))
        cpu, peak = time.thread_time() - cpu, peak_bytes()
        self._metrics.ran(span, task.name, queue, (now - began) / 1e9, waited, cpu, peak)
        thread = threading.current_thread()
        span.set_attributes(
            {
                c.JOBSPAN_JOB_OUTCOME: "succeeded" if state == "SUCCESS" else "failed",
                c.JOBSPAN_JOB_FINAL: True,
                c.PROCESS_PID: os.getpid(),
                c.THREAD_NAME: thread.name,
                c.THREAD_ID: thread.ident,
                c.JOBSPAN_JOB_WAIT_PREFETCHED: waited,
                c.JOBSPAN_JOB_CPU_TIME: cpu,
                c.JOBSPAN_JOB_MEMORY_START: resident,
                c.JOBSPAN_JOB_MEMORY_END: resident_bytes(),
                c.JOBSPAN_JOB_MEMORY_PEAK: peak,
                c.JOBSPAN_JOB_MEMORY_SOURCE: "exact",
                c.JOBSPAN_JOB_CONCURRENCY: 1,
            }
        )
        span.end(now)
        context.detach(token)
