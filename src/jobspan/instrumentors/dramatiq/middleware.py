"""Dramatiq's hooks → run events, and the carrier on a message that leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from dramatiq import Middleware
from dramatiq.errors import ActorNotFound

from jobspan import conventions as c
from jobspan.events import JobSink, RunByPattern, RunStarted
from jobspan.instrumentors.dramatiq import outcomes
from jobspan.instrumentors.dramatiq.consumers import RECEIVED
from jobspan.instrumentors.dramatiq.mapping import (
    BrokerFacts,
    arguments_of,
    carrier_of,
    delivers_again,
    message_behind,
    options_of,
    options_on,
    worker_name,
)
from jobspan.instrumentors.dramatiq.open_runs import Run
from jobspan.instrumentors.dramatiq.publish_hooks import DramatiqPublishHooks
from jobspan.instrumentors.guard import guarded, redo_on_interrupt
from jobspan.instrumentors.job_patterns import Patterns
from jobspan.instrumentors.task_library.dropped_job import dropped_job
from jobspan.instrumentors.task_library.run_tracker import OpenRuns
from jobspan.patterns import JobByPattern
from jobspan.recording.sdk.flush import flush_and_leave


class JobspanMiddleware(Middleware):
    """Reports every publish and run that goes through one broker to the sink."""

    def __init__(self, sink: JobSink, *, canary: bool = False) -> None:
        self._sink = sink
        self._canary = canary
        self._facts = BrokerFacts()
        self._worker = ""
        self._runs, self._patterns = OpenRuns[Run](), Patterns()
        self._publishing = DramatiqPublishHooks(sink, self._facts, self._runs)

    @property
    def enqueue(self) -> Callable[..., Any]:
        """The wrapper of the broker's ``enqueue``."""
        return self._publishing.publish

    @property
    def is_in_a_run(self) -> bool:
        """Say whether any thread is in a run that has begun here, recorded or not."""
        return self._runs.are_open

    def has_begun(self, message: Any) -> bool:
        """Say whether this thread has begun the run of a message."""
        return self._runs.of(message) is not None

    def note_retry(self, message: Any, delay_ms: int | None) -> None:
        """Note that a message is on the queue again, if this thread is in its run."""
        self._publishing.note_retry(message, delay_ms)

    @guarded
    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        """A worker is about to ask which queues there are."""
        if self._canary:
            from jobspan.instrumentors.dramatiq import canary

            canary.register(broker, worker)

    def before_enqueue(self, broker: Any, message: Any, delay: int | None) -> None:
        """Put the carrier on the message; a broker that tries again calls this again."""
        self._publishing.set_carrier(message)

    @redo_on_interrupt
    def before_process_message(self, broker: Any, message: Any) -> None:
        """A worker thread takes up a message."""
        self._begin(broker, message)

    @redo_on_interrupt
    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """The message was processed, or raised; Retries has decided by now, because this after-hook runs last."""
        run = self._open_run(broker, message)
        if run is not None:
            limit = self._facts.max_attempts(broker, message) if exception is not None else None
            self._sink(outcomes.processed(run, message, exception, limit, time.time_ns()))
            self._runs.end(run)

    @redo_on_interrupt
    def after_skip_message(self, broker: Any, message: Any) -> None:
        """A before-hook raised SkipMessage."""
        run = self._open_run(broker, message)
        if run is not None:
            self._sink(outcomes.skipped(run, message, time.time_ns()))
            self._runs.end(run)

    def before_ack(self, broker: Any, message: Any) -> None:
        """Report the end of a run that an interrupt kept from being reported."""
        if self._runs.current() is not None:
            self._report_missing(broker, message)

    before_nack = before_ack

    @guarded
    def after_nack(self, broker: Any, message: Any) -> None:
        """A message that no run was begun for and that names no actor of this process is dead-lettered."""
        if message.actor_name not in broker.actors and self._runs.of(message) is None:
            error = getattr(message, "_exception", None)
            # Dramatiq before 2.0 does not say why.
            found = error if isinstance(error, ActorNotFound) else ActorNotFound(message.actor_name)  # type: ignore[no-untyped-call]  # it has no types
            self._drop(broker, message, found)

    @guarded
    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:
        """The process leaves by ``os._exit``: what it holds goes out now."""
        flush_and_leave()

    def _begin(self, broker: Any, message: Any) -> Run:
        """Return the run of a message, begun now unless it has."""
        now, run, plain = time.time_ns(), self._runs.of(message), message_behind(message)
        if run is not None and run.unsampled is not None:
            return run
        actor, carrier = broker.actors.get(plain.actor_name), carrier_of(plain.options)
        options = options_on(actor)
        if run is None or run.is_ended:
            unsampled = self._sink.start_unsampled(carrier, self._facts.job, options, now, broker, message, None, 0)
            run = Run(message)
            if unsampled is not None:
                # Before the table holds it: an interrupt may land in between, and then it is looked up there.
                run.leave_unrecorded(unsampled)
            self._runs.add(run)
            if unsampled is not None:
                unsampled.begin()
                return run
        received, arguments = getattr(message, RECEIVED, None), partial(arguments_of, actor, plain)
        key = self._facts.key(broker, message, options)
        pattern = self._patterns.find(key)
        if pattern is not None:
            self._sink(RunByPattern(run, JobByPattern(pattern, plain.message_id), carrier, now, received, arguments))
            return run
        facts = self._facts.actor(actor)
        self._worker = self._worker or worker_name()
        event = RunStarted(
            key=run,
            job=self._facts.job(broker, message, None, now),
            broker=self._facts.of(broker),
            carrier=carrier,
            worker=self._worker,
            at_ns=now,
            function=facts.function,
            received_ns=received,
            cpu=facts.cpu,
            options=options,
            arguments=arguments,
            is_safe=delivers_again(broker),
        )
        self._sink(event)
        self._patterns.learn(key, event)
        return run

    def _open_run(self, broker: Any, message: Any) -> Run | None:
        """Return the run of a message, begun now if an interrupt prevented that; None when its end is recorded."""
        run = self._runs.of(message) or self._begin(broker, message)
        if run.unsampled is not None:
            self._runs.end(run)
        return None if run.is_ended else run

    @redo_on_interrupt
    def _report_missing(self, broker: Any, message: Any) -> None:
        run = self._runs.of(message)
        if run is not None and not run.is_ended:
            self.after_process_message(broker, message, exception=getattr(message, "_exception", None))

    def _drop(self, broker: Any, message: Any, error: ActorNotFound) -> None:
        job = self._facts.job(broker, message, None, time.time_ns())
        dropped = dropped_job(
            job,
            self._facts.of(broker),
            carrier_of(message.options),
            worker_name(),
            error=error,
            error_type=c.ERROR_UNKNOWN_JOB,
            dead_lettered=True,
            options=options_of(broker, message.actor_name),
        )
        self._sink(dropped)
