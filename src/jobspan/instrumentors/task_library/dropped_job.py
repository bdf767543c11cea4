"""A job that is done with before it ever ran → its event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from jobspan.events import JobDropped
from jobspan.job_options import NOTHING, JobOptions
from jobspan.jobs import Broker, Job, Outcome


def dropped_job(
    job: Job,
    broker: Broker,
    carrier: Mapping[str, Any],
    worker: str,
    *,
    outcome: Outcome = Outcome.UNROUTABLE,
    error: BaseException | None = None,
    error_type: str | None = None,
    dead_lettered: bool | None = None,
    options: JobOptions = NOTHING,
    is_known: bool = False,
) -> JobDropped:
    """Return the event of a job that is dropped now, for good."""
    now = time.time_ns()
    return JobDropped(
        job, broker, carrier, worker, outcome, True, now, error, error_type, dead_lettered, options, is_known
    )
