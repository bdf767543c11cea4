"""Celery jobs that end in every way there is; ``command.py put outcomes:exits=3`` puts one."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from celery import Task, signals
from celery.backends.base import BaseBackend
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded
from celery.utils import uuid
from kombu.serialization import register
from opentelemetry import trace

from apps.celery_app import _noted, app
from apps.errors import CardDeclined, NotYet, ResultsAway, decline
from support import diary

app.conf.update(
    result_backend=f"file://{Path(os.environ[diary.TEST_DIARY]).parent}",
    worker_deduplicate_successful_tasks=True,
    worker_enable_remote_control=True,
    worker_soft_shutdown_timeout=float(os.environ.get("TEST_SOFT_SHUTDOWN_S", "0")),
)
NAME = "apps.outcomes_app."


def put(job: Task | Callable[..., Any], *args: Any) -> None:
    """Publish a task; what is none publishes for itself."""
    if not isinstance(job, Task):
        job(*args)
        return
    diary.published("celery", job.name, job.apply_async(args=args).id)


def _put_in_vain(outcome: str, error_type: str | None = None, exception: str | None = None, **options: Any) -> None:
    job_id = uuid()
    name = options.pop("name", ok.name)
    app.send_task(name, task_id=job_id, **options)
    diary.published("celery", name, job_id)
    diary.dropped("celery", name, job_id, outcome, error_type, exception)


@signals.task_postrun.connect
def _nothing_is_left(**_: Any) -> None:
    """Connected after jobspan's own hook: by now the worker's context is what it was."""
    if trace.get_current_span().get_span_context().is_valid:
        diary.trouble("after a job its span was still current")
    if trace.get_current_span() is not trace.INVALID_SPAN:
        diary.trouble("after a job some span was still current")


@signals.task_prerun.connect
def _raise_before(task: Task, **_: Any) -> None:
    if task.name == f"{NAME}beside_a_raising_handler":
        raise NotYet("a user's own handler")


@signals.task_postrun.connect
def _raise_after(task: Task, **_: Any) -> None:
    _raise_before(task)


@app.task(bind=True)
def ok(self: Task) -> None:
    """Succeed."""
    with _noted(self):
        if trace.get_current_span().attributes.get("messaging.message.id") != self.request.id:  # type: ignore[attr-defined]
            diary.trouble("a job ran in a span that is not its own")


@app.task(bind=True)
def beside_a_raising_handler(self: Task) -> None:
    """Succeed."""
    with _noted(self):
        pass


@app.task(bind=True, throws=(CardDeclined,))
def expected(self: Task) -> None:
    """Raise what is declared."""
    with _noted(self) as run:
        run.will("failed_expected", final=True)
        decline("4711")


@app.task(bind=True)
def ignores(self: Task) -> None:
    """Ask to be ignored."""
    with _noted(self) as run:
        run.will("ignored", final=True)
        run.is_asking = True
        raise Ignore


@app.task(bind=True, acks_late=True)
def rejects(self: Task) -> None:
    """Reject the message because of an error."""
    with _noted(self) as run:
        error = NotYet("no")
        run.will("rejected", final=True, error=error)
        raise Reject(error, requeue=False)


@app.task(bind=True, acks_late=True)
def rejects_once(self: Task) -> None:
    """Put the message back the first time."""
    with _noted(self) as run:
        if not self.request.delivery_info["redelivered"]:
            run.will("rejected", final=False)
            run.is_asking = True
            raise Reject("not yet", requeue=True)


@app.task(bind=True, acks_late=True, ignore_result=False)
def rejects_after_success(self: Task) -> None:
    """Store a success and put the message back, which Celery then skips."""
    with _noted(self) as run:
        self.backend.store_result(self.request.id, None, "SUCCESS")
        run.will("rejected", final=False)
        run.is_asking = True
        raise Reject("done", requeue=True)


@app.task(bind=True, acks_late=True)
def late_failure(self: Task) -> None:
    """Fail, acknowledged late."""
    with _noted(self):
        decline("4711")


@app.task(bind=True, max_retries=1)
def asks_too_often(self: Task) -> None:
    """Ask for retries without a reason until Celery has enough."""
    with _noted(self) as run:
        if self.request.retries:
            run.will("failed", final=True)
        else:
            run.will_ask_again()
        raise self.retry(countdown=0)


@app.task(bind=True, max_retries=1)
def fails_too_often(self: Task) -> None:
    """Ask for retries with a reason until Celery has enough."""
    with _noted(self) as run:
        error = NotYet("still")
        run.will("failed" if self.request.retries else "retried", final=bool(self.request.retries), error=error)
        raise self.retry(exc=error, countdown=0)


@app.task(bind=True, autoretry_for=(NotYet,), max_retries=2, retry_backoff=0.01, retry_jitter=False)
def backs_off(self: Task) -> None:
    """Fail, be retried with growing delay, and fail for good."""
    with _noted(self) as run:
        last = self.request.retries >= 2
        run.will("failed" if last else "retried", final=last)
        raise NotYet("still")


@app.task(bind=True)
def covers_a_retry(self: Task) -> None:
    """Put a retry on the queue and raise something else."""
    with _noted(self) as run:
        if self.request.retries:
            return
        run.will("retried", final=False)
        try:
            self.retry(countdown=0)
        except Retry:
            decline("4711")


@app.task(bind=True)
def raises_retry_by_hand(self: Task) -> None:
    """Raise Celery's word for a retry without asking for one."""
    with _noted(self) as run:
        run.will("failed", final=True)
        raise Retry("by hand")


class _Broken(BaseBackend):  # type: ignore[misc]  # Celery has no types
    def store_result(self, *_: Any, **__: Any) -> NoReturn:
        raise ResultsAway("the result backend is away")


@app.task(bind=True, backend=_Broken(app), ignore_result=False)
def result_lost(self: Task) -> None:
    """Succeed in vain: the result cannot be stored."""
    with _noted(self) as run:
        run.will("failed", final=True, error=ResultsAway())


@app.task(bind=True, ignore_result=False)
def result_unserialisable(self: Task) -> object:
    """Return what no serializer takes."""
    with _noted(self) as run:
        run.will_be_ended("failed", final=True, error_type="kombu.exceptions.EncodeError")
        return object()


class _Handlers(Task):  # type: ignore[misc]  # Celery has no types
    def before_start(self, *_: Any) -> None:
        if self.name.endswith("before_start_raises"):
            with _noted(self):
                raise NotYet("before")

    def on_success(self, *_: Any) -> None:
        if self.name.endswith("on_success_raises"):
            raise NotYet("on success")

    def after_return(self, *_: Any) -> None:
        if self.name.endswith("after_return_raises"):
            raise NotYet("after")


@app.task(base=_Handlers)
def before_start_raises() -> None:
    """Never get here."""


@app.task(base=_Handlers, bind=True)
def on_success_raises(self: Task) -> None:
    """Succeed."""
    with _noted(self):
        pass


@app.task(base=_Handlers, bind=True)
def after_return_raises(self: Task) -> None:
    """Succeed."""
    with _noted(self):
        pass


@app.task(bind=True)
def exits(self: Task, code: int) -> None:
    """Leave as a program does."""
    with _noted(self) as run:
        if code == 0:
            run.will_be_ended("succeeded", final=True)
        sys.exit(code)


@app.task(bind=True)
def interrupts(self: Task) -> None:
    """Raise what Ctrl-C raises."""
    with _noted(self):
        raise KeyboardInterrupt


@app.task(bind=True, acks_late=True, reject_on_worker_lost=True)
def exits_once(self: Task) -> None:
    """Leave the first time; Celery gives the message to another process."""
    with _noted(self) as run:
        if not self.request.delivery_info["redelivered"]:
            run.will("failed", final=False)
            sys.exit(4)


@app.task(bind=True, soft_time_limit=0.3)
def over_the_soft_limit(self: Task) -> None:
    """Take too long, and be told."""
    with _noted(self) as run:
        run.will("timed_out", final=True)
        _sleep()


@app.task(bind=True, soft_time_limit=0.3, max_retries=1)
def retried_after_the_soft_limit(self: Task) -> None:
    """Take too long once, and ask for a retry."""
    with _noted(self) as run:
        if self.request.retries:
            return
        try:
            _sleep()
        except SoftTimeLimitExceeded as error:
            run.will("timed_out", final=False, error=error)
            raise self.retry(exc=error, countdown=0) from None


@app.task(bind=True, time_limit=0.4)
def over_the_hard_limit(self: Task) -> None:
    """Take too long, and unwind when told to."""
    with _noted(self) as run:
        run.will_be_ended("timed_out", final=True, error_type="billiard.exceptions.TimeLimitExceeded")
        _sleep()


@app.task(bind=True, time_limit=0.4)
def over_the_green_limit(self: Task) -> None:
    """Take too long in a pool of greenlets, whose limit is an exception."""
    with _noted(self) as run:
        run.will_be_ended("timed_out", final=True, error_type="gevent.timeout.Timeout")
        _sleep()


@app.task(bind=True, time_limit=0.4)
def ignores_the_hard_limit(self: Task) -> None:
    """Take too long, and do not listen."""
    with _noted(self) as run:
        run.will_be_ended("timed_out", final=True, error_type="billiard.exceptions.TimeLimitExceeded")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _sleep()


@app.task(bind=True, time_limit=0.4, acks_late=True, acks_on_failure_or_timeout=False)
def again_after_the_hard_limit(self: Task) -> None:
    """Take too long once; the message goes back."""
    with _noted(self) as run:
        if not self.request.delivery_info["redelivered"]:
            run.will_be_ended("timed_out", final=False, error_type="billiard.exceptions.TimeLimitExceeded")
            _sleep()


@app.task(bind=True)
def is_revoked(self: Task) -> None:
    """Run until somebody ends it."""
    with _noted(self) as run:
        run.will_be_ended("revoked", final=True)
        _sleep()


@app.task(bind=True)
def survives_a_revoke(self: Task) -> None:
    """Swallow the end, and go on."""
    with _noted(self) as run:
        run.will_be_ended("revoked", final=True)
        try:
            _sleep()
        except SystemExit:
            return


@app.task(bind=True)
def is_shut_down(self: Task) -> None:
    """Run until the worker ends; the message is gone."""
    with _noted(self) as run:
        run.will_be_ended("interrupted", final=True)
        _sleep()


@app.task(bind=True, acks_late=True)
def is_shut_down_late(self: Task) -> None:
    """Run until the worker ends; the message is not acknowledged."""
    with _noted(self) as run:
        run.will_be_ended("interrupted", final=False)
        _sleep()


def revoked() -> None:
    """Put what every worker knows to be revoked."""
    job_id = uuid()
    app.control.revoke(job_id, reply=True, limit=1, timeout=10)
    app.send_task(ok.name, task_id=job_id)
    diary.published("celery", ok.name, job_id)
    diary.dropped("celery", ok.name, job_id, "revoked")


def expired() -> None:
    """Put what will be past its time when it is due: RabbitMQ itself throws away what expires in a queue."""
    _put_in_vain("expired", expires=3, countdown=4)


def unknown() -> None:
    """Put what no worker knows."""
    _put_in_vain("unroutable", "unknown_job", "celery.exceptions.NotRegistered", name="apps.nosuch")


def disallowed() -> None:
    """Put what no worker accepts."""
    _put_in_vain("unroutable", "undecodable", "kombu.exceptions.ContentDisallowed", serializer="pickle")


def garbled() -> None:
    """Put a body that is no JSON."""
    _put_body("{nonsense", "kombu.exceptions.DecodeError")


def without_arguments() -> None:
    """Put a body whose keyword arguments are none."""
    _put_body("[[], [], {}]", "celery.exceptions.InvalidTaskError")


def nonsense() -> None:
    """Put headers that make no sense."""

    def spoil(headers: dict[str, Any], **_: Any) -> None:
        headers["eta"] = "some day"

    signals.before_task_publish.connect(spoil)
    _put_in_vain("unroutable", "undecodable", "celery.exceptions.InvalidTaskError")
    signals.before_task_publish.disconnect(spoil)


def _put_body(text: str, exception: str) -> None:
    register("broken", lambda _: text, lambda _: None, "application/json", "utf-8")  # type: ignore[no-untyped-call]  # Kombu has no types
    _put_in_vain("unroutable", "undecodable", exception, serializer="broken")


def _sleep() -> None:
    """Sleep in small pieces: with greenlets too, others get on."""
    for _ in range(600):
        time.sleep(0.05)
