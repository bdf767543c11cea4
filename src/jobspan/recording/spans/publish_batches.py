"""Batch spans in place of publish spans: one for up to 1000 publishes of one job or 10 seconds.

A batch begins before its first message leaves, because its context is the one on the messages. It ends when it is
full, after 10 seconds, with the run or command that published, or when the process flushes: whichever comes first.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Hashable
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, get_current_span

from jobspan import conventions as c
from jobspan import forks
from jobspan.events import PublishStarted
from jobspan.recording.attributes import job_attributes
from jobspan.recording.context.origin import Origin
from jobspan.recording.sdk import flush
from jobspan.recording.telemetry.instruments import Instruments

MOST_JOBS = 1000
LONGEST_S = 10.0
_MOST_OPEN = 100


class OpenBatch:
    """A batch under way. ``count`` is what has been published, or is being published."""

    def __init__(self, key: Hashable, span: Span, origin: Origin | None) -> None:
        self.key = key
        self.span = span
        self.caused_by = origin.span.span_id if origin is not None else None
        self.count = 0
        self.began_s = time.monotonic()
        self.timer: threading.Timer | None = None

    def is_full(self) -> bool:
        """Say whether the next publish belongs to another batch."""
        return self.count >= MOST_JOBS or time.monotonic() - self.began_s > LONGEST_S


# Shared by all recorders of a process: a command's end, which one of them gets, ends the batches of the others.
_open: dict[Hashable, OpenBatch] = {}
_lock = threading.RLock()


def add_publish(event: PublishStarted, instruments: Instruments, context: Context, origin: Origin | None) -> OpenBatch:
    """Return the batch that a publish belongs to, and count it there."""
    caller = get_current_span(context).get_span_context()
    job = event.job
    key = (id(instruments), caller.trace_id, caller.span_id, job.framework, job.name, job.queue, event.broker)
    with _lock:
        open_batch = _open.get(key)
        if open_batch is not None and open_batch.is_full():
            _end(open_batch)
            open_batch = None
        if open_batch is None:
            open_batch = _opened(key, event, instruments, context, origin)
        open_batch.count += 1
        return open_batch


def remove_publish(open_batch: OpenBatch) -> None:
    """Do not count a publish that failed."""
    with _lock:
        open_batch.count -= 1


def end_batches_of(span: Span) -> None:
    """End the batches that a run or command caused: it ends now."""
    if _open:
        span_id = span.get_span_context().span_id
        with _lock:
            for open_batch in [open_batch for open_batch in _open.values() if open_batch.caused_by == span_id]:
                _end(open_batch)


def end_all() -> None:
    """End all batches: the process flushes."""
    with _lock:
        for open_batch in list(_open.values()):
            _end(open_batch)


def _opened(
    key: Hashable, event: PublishStarted, instruments: Instruments, context: Context, origin: Origin | None
) -> OpenBatch:
    if len(_open) >= _MOST_OPEN:
        _end(next(iter(_open.values())))
    span = instruments.tracer.start_span(
        job_attributes.span_name("publish batch", event.job.name),
        context=context,
        kind=SpanKind.PRODUCER,
        attributes=job_attributes.of_batch(event.job.framework, event.broker, origin, event.job.name),
        start_time=event.at_ns,
    )
    open_batch = _open[key] = OpenBatch(key, span, origin)
    _end_in_time(open_batch)
    return open_batch


def _end_in_time(open_batch: OpenBatch) -> None:
    """End a batch that no publish is added to any more."""
    flush.before(end_all)
    open_batch.timer = threading.Timer(LONGEST_S, _time_is_over, [open_batch])
    open_batch.timer.daemon = True
    # An interpreter that is leaving starts no threads; its flush ends the batch.
    with contextlib.suppress(RuntimeError):
        open_batch.timer.start()


def _time_is_over(open_batch: OpenBatch) -> None:
    with _lock:
        if _open.get(open_batch.key) is open_batch:
            _end(open_batch)


def _end(open_batch: OpenBatch) -> None:
    _open.pop(open_batch.key, None)
    if open_batch.timer is not None:
        open_batch.timer.cancel()
    attributes: dict[str, Any] = {c.MESSAGING_BATCH_MESSAGE_COUNT: open_batch.count}
    open_batch.span.set_attributes(attributes)
    open_batch.span.end()


def _forget() -> None:
    # What is open at a fork is the parent's to end, and its lock may have been held.
    global _lock  # noqa: PLW0603 - see above
    _lock = threading.RLock()
    _open.clear()


forks.join("open batches", in_child=_forget)
