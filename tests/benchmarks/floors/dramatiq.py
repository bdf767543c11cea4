"""By hand what jobspan emits of a Dramatiq job that succeeds."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import dramatiq
from dramatiq import worker
from dramatiq.brokers import stub
from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, SpanKind

from benchmarks.floors.metrics import FloorMetrics
from benchmarks.floors.probes import peak_bytes, reset_peak, resident_bytes
from jobspan import conventions as c

_CARRIER = "floor"
_PUBLISHED = "published"


def switch_on() -> None:
    """Give every stub broker the middleware, before all others."""
    begin = stub.StubBroker.__init__

    def init(broker: Any, *args: Any, **kwargs: Any) -> None:
        begin(broker, *args, **kwargs)
        broker.middleware.insert(0, _Floor())

    stub.StubBroker.__init__ = init  # type: ignore[method-assign, assignment]  # by hand
    handle = worker.ConsumerThread.handle_message

    def handle_message(consumer: Any, message: Any) -> None:
        message.received_ns = time.time_ns()
        handle(consumer, message)

    worker.ConsumerThread.handle_message = handle_message  # type: ignore[method-assign, assignment]  # by hand


class _Floor(dramatiq.Middleware):
    def __init__(self) -> None:
        self._tracer = trace.get_tracer(c.SCOPE)
        self._metrics = FloorMetrics("dramatiq")
        self._here = threading.local()

    def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        now = time.time_ns()
        here = self._here
        here.began_ns = now
        here.publish = span = self._tracer.start_span(
            f"publish {message.actor_name}",
            kind=SpanKind.PRODUCER,
            attributes={
                c.MESSAGING_SYSTEM: "memory",
                c.MESSAGING_OPERATION_NAME: "publish",
                c.MESSAGING_OPERATION_TYPE: "send",
                c.MESSAGING_DESTINATION_NAME: message.queue_name,
                c.JOBSPAN_FRAMEWORK: "dramatiq",
                c.JOBSPAN_JOB_NAME: message.actor_name,
                c.JOBSPAN_JOB_ATTEMPT: message.options.get("retries", 0) + 1,
                c.MESSAGING_MESSAGE_ID: message.message_id,
            },
            start_time=now,
        )
        here.publish_token = context.attach(trace.set_span_in_context(span))
        carrier = {_PUBLISHED: now}
        propagate.inject(carrier)
        message.options[_CARRIER] = carrier

    def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        here, now = self._here, time.time_ns()
        here.publish.end(now)
        seconds = (now - here.began_ns) / 1e9
        self._metrics.published(here.publish, message.actor_name, message.queue_name, seconds)
        context.detach(here.publish_token)

    def before_process_message(self, broker: Any, message: Any) -> None:
        now = time.time_ns()
        carrier = message.options[_CARRIER]
        parent = propagate.extract(carrier)
        function = broker.actors[message.actor_name].fn
        received = message.received_ns
        queued = (received - carrier[_PUBLISHED]) / 1e9
        span = self._tracer.start_span(
            f"run {message.actor_name}",
            context=parent,
            kind=SpanKind.CONSUMER,
            attributes={
                c.MESSAGING_SYSTEM: "memory",
                c.MESSAGING_OPERATION_NAME: "run",
                c.MESSAGING_OPERATION_TYPE: "process",
                c.MESSAGING_DESTINATION_NAME: message.queue_name,
                c.JOBSPAN_FRAMEWORK: "dramatiq",
                c.JOBSPAN_JOB_NAME: message.actor_name,
                c.JOBSPAN_JOB_ATTEMPT: message.options.get("retries", 0) + 1,
                c.JOBSPAN_JOB_MAX_ATTEMPTS: 21,
                c.MESSAGING_MESSAGE_ID: message.message_id,
                c.MESSAGING_CLIENT_ID: "dramatiq@host:1",
                c.CODE_FUNCTION_NAME: f"{function.__module__}.{function.__qualname__}",
                c.JOBSPAN_JOB_WAIT_QUEUED: queued,
            },
            links=[
                Link(trace.get_current_span(parent).get_span_context(), {c.JOBSPAN_LINK_TYPE: c.LINK_PUBLISH}),
            ],
            start_time=now,
        )
        here = self._here
        here.token = context.attach(trace.set_span_in_context(span, parent))
        self._metrics.waited(span, message.actor_name, message.queue_name, queued)
        reset_peak()
        here.run = (span, (now - received) / 1e9, time.thread_time(), resident_bytes(), now)

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        now = time.time_ns()
        span, waited, cpu, resident, began = self._here.run
        cpu, peak, seconds = time.thread_time() - cpu, peak_bytes(), (now - began) / 1e9
        self._metrics.ran(span, message.actor_name, message.queue_name, seconds, waited, cpu, peak)
        thread = threading.current_thread()
        span.set_attributes(
            {
                c.JOBSPAN_JOB_OUTCOME: "succeeded" if exception is None else "failed",
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
        context.detach(self._here.token)
