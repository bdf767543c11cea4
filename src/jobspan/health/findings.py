"""What is not as it should be, how bad it is, and what to do about it. Values in, findings out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from jobspan.brokers.base import BrokerState, QueueState
from jobspan.frameworks import TASK_LIBRARIES
from jobspan.health.limits import CRITICAL_TIMES, LimitRules, Limits
from jobspan.jobs import Framework

_MINUTE_S, _HOUR_S, _TWO = 60.0, 3600.0, 2


class Grade(IntEnum):
    """How it is: the value of ``jobspan.queue.health``, and the exit code of ``jobspan health``."""

    HEALTHY = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        kind: ``waiting``, ``oldest``, ``no_worker``, ``failed``, ``slow``, ``dropped``, ``broker``, ``backend``.
        seen: what was seen and expected, one sentence without its end.
        remedy: what to do.
        queue: which one; None: not of one queue.
        is_known: False: it could not be looked at, and has no grade.
    """

    grade: Grade
    kind: str
    seen: str
    remedy: str
    queue: str | None = None
    framework: Framework | None = None
    is_known: bool = True


QueueKey = tuple[str, str]
"""Framework and queue."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the telemetry of a window says.

    Attributes:
        window: in words: ``in the last hour``.
        failed: failed runs by framework and queue.
        p95_s: 95th percentile of run times by framework and queue, in seconds.
        dropped: telemetry that was dropped in the last hour, by reason.
    """

    window: str
    failed: Mapping[QueueKey, int] = field(default_factory=dict)
    p95_s: Mapping[QueueKey, float] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


def grade_of(findings: Iterable[Finding]) -> Grade:
    """Return the worst grade."""
    return max((finding.grade for finding in findings), default=Grade.HEALTHY)


def broker_findings(state: BrokerState, rules: LimitRules) -> Iterator[Finding]:
    """Yield what is wrong with the queues of a broker."""
    for queue in state.queues:
        yield from queue_findings(queue, rules.limits_for(queue.name))


def queue_findings(queue: QueueState, limits: Limits) -> Iterator[Finding]:
    """Yield what is wrong with one queue; what is not known is no finding."""
    if queue.ready and limits.workers and queue.workers is not None and queue.workers < limits.workers:
        grade = Grade.WARNING if queue.workers else Grade.CRITICAL
        takers = f"only {queue.workers} of {limits.workers} workers take" if queue.workers else "no worker takes"
        seen = f"{_jobs(queue.ready)} ready, and {takers} from it"
        yield _about(queue, grade, "no_worker", seen, _how_to_start(queue))
    if _is_over(queue.ready, limits.waiting):
        yield _about(
            queue,
            _graded(queue.ready, limits.waiting),
            "waiting",
            f"{_jobs(queue.ready)} waiting, the limit is {limits.waiting}",
            "start more workers, or find what puts so many: jobspan runs --queue " + queue.name,
        )
    if _is_over(queue.oldest_s, limits.oldest_s):
        yield _about(
            queue,
            _graded(queue.oldest_s, limits.oldest_s),
            "oldest",
            f"the next job has waited {span(queue.oldest_s)}, the limit is {span(limits.oldest_s)}",
            "see what the workers do: jobspan workers; jobspan runs --outcome running --queue " + queue.name,
        )


def run_findings(facts: RunFacts, rules: LimitRules) -> Iterator[Finding]:
    """Yield what the telemetry says is wrong."""
    for (framework, queue), failed in sorted(facts.failed.items()):
        limit = rules.limits_for(queue).failed
        if _is_over(failed, limit):
            seen = f"{_jobs(failed)} failed {facts.window}, the limit is {limit}"
            remedy = f"see why: jobspan failed --by error --queue {queue}"
            yield Finding(_graded(failed, limit), "failed", seen, remedy, queue, Framework(framework))
    for (framework, queue), p95_s in sorted(facts.p95_s.items()):
        limit_s = rules.limits_for(queue).p95_s
        if _is_over(p95_s, limit_s):
            seen = f"95 % of runs took up to {span(p95_s)} {facts.window}, the limit is {span(limit_s)}"
            remedy = f"see which are slow: jobspan runs --queue {queue}"
            yield Finding(_graded(p95_s, limit_s), "slow", seen, remedy, queue, Framework(framework))
    if facts.dropped:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(facts.dropped.items()))
        yield Finding(
            Grade.WARNING,
            "dropped",
            f"telemetry was dropped in the last hour: {reasons}",
            "runs may be missing or incomplete; the workers' logs say why at the first of each reason",
        )


def unreachable_broker(error: Exception) -> Finding:
    """Return the finding that a broker does not answer."""
    return Finding(
        Grade.CRITICAL, "broker", str(error), "until it answers no job is put or taken; nothing is known of it"
    )


def unreachable_backend(error: Exception) -> Finding:
    """Return the finding that the backend does not answer."""
    return Finding(Grade.WARNING, "backend", str(error), "until it answers failures and run times are not known")


def span(seconds: float | None) -> str:
    """Return a duration in words: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds is None:
        return "unknown"
    if seconds < _TWO * _MINUTE_S:
        return f"{seconds:.3g} s"
    if seconds < _TWO * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h"


def _about(queue: QueueState, grade: Grade, kind: str, seen: str, remedy: str) -> Finding:
    return Finding(grade, kind, seen, remedy, queue.name, queue.framework)


def _jobs(count: int | None) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _is_over(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit


def _graded(value: float | None, limit: float | None) -> Grade:
    return Grade.CRITICAL if (value or 0) > CRITICAL_TIMES * (limit or 0) else Grade.WARNING


def _how_to_start(queue: QueueState) -> str:
    worker = TASK_LIBRARIES[queue.framework].start_worker.format(queue=queue.name)
    return f"start a worker for it: {worker}"
