"""What a job is, how a run of it can end, and when a run has failed."""

from __future__ import annotations

from enum import Enum

from jobspan.named_tuple import NamedTuple


class Framework(str, Enum):
    """The task libraries, as ``jobspan.framework`` names them."""

    CELERY = "celery"
    DRAMATIQ = "dramatiq"


class Outcome(str, Enum):
    """How a run ended: the closed set of ``jobspan.job.outcome``."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_EXPECTED = "failed_expected"
    RETRIED = "retried"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    INTERRUPTED = "interrupted"
    IGNORED = "ignored"
    REJECTED = "rejected"
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNROUTABLE = "unroutable"


FAILING_OUTCOMES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.LOST, Outcome.UNROUTABLE, Outcome.REJECTED})


def has_failed(outcome: str | None, *, final: bool | None, is_error: bool) -> bool:
    """Say whether a run has failed: the one definition for tables, rules, alerts and samplers.

    Args:
        outcome: value of ``jobspan.job.outcome``; None for a run still open.
        final: value of ``jobspan.job.final``; a run that will be tried again has not failed.
        is_error: span status is ERROR; only ``rejected`` depends on it.
    """
    if final is not True or outcome not in FAILING_OUTCOMES:
        return False
    return is_error or outcome != Outcome.REJECTED


# Job and the events are named tuples: as immutable as frozen dataclasses, built in a fifth of the time,
# and every job builds four of them.
class Job(NamedTuple):
    """One piece of work put on a queue, as its message describes it. None: not known."""

    framework: Framework
    queue: str
    name: str | None = None
    id: str | None = None
    attempt: int = 1
    max_attempts: int | None = None
    workflow_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    priority: int | None = None
    scheduled_ns: int | None = None
    expires_at: str | None = None
    soft_limit_s: float | None = None
    hard_limit_s: float | None = None
    routing_key: str | None = None
    is_redelivered: bool = False
    scheduled_by: str | None = None
    schedule_name: str | None = None


class Broker(NamedTuple):
    """Where jobs wait: the real broker's name and address, never its password."""

    system: str
    address: str | None = None
    port: int | None = None
