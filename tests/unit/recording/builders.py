"""Events with sensible values, of which a test names those that it is about."""

from __future__ import annotations

from typing import Any

from jobspan.events import PublishFinished, PublishStarted, RunFinished, RunStarted
from jobspan.jobs import Broker, Framework, Job, Outcome

T0 = 1_700_000_000_000_000_000
REDIS = Broker("redis", "localhost", 6379)


def job(**facts: Any) -> Job:
    """A job ``send_mail`` on the queue ``mail``."""
    return Job(**{"framework": Framework.CELERY, "queue": "mail", "name": "send_mail", "id": "job-1", **facts})


def publish_started(**facts: Any) -> PublishStarted:
    """Its publish begins at ``T0``."""
    return PublishStarted(**{"key": "publish", "job": job(), "broker": REDIS, "carrier": {}, "at_ns": T0, **facts})


def publish_finished(**facts: Any) -> PublishFinished:
    """Its publish ends a millisecond later."""
    return PublishFinished(**{"key": "publish", "error": None, "at_ns": T0 + 1_000_000, **facts})


def run_started(**facts: Any) -> RunStarted:
    """Its run begins two seconds after ``T0``."""
    values = {"key": "run", "job": job(), "broker": REDIS, "carrier": {}, "worker": "w1", "at_ns": T0 + 2_000_000_000}
    return RunStarted(**{**values, **facts})


def run_finished(**facts: Any) -> RunFinished:
    """Its run succeeds after a second."""
    values = {"key": "run", "outcome": Outcome.SUCCEEDED, "final": True, "at_ns": T0 + 3_000_000_000}
    return RunFinished(**{**values, **facts})
