"""Whether anything would come of a job: an SDK records, or a context came along that others rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import INVALID_SPAN, get_current_span

from jobspan.job_options import NOTHING, chosen_around
from jobspan.recording.context import propagation
from jobspan.recording.registry.open_commands import newest_of_process
from jobspan.recording.telemetry.instruments import Instruments, say_once_that_nothing_records


def is_idle(instruments: Instruments, carrier: Mapping[str, Any]) -> bool:
    """Say whether without an SDK a publish or run needs nothing. Worked out each time: a meter may be set later."""
    if instruments.metrics.is_on:
        return False
    has_caller = get_current_span() is not INVALID_SPAN or newest_of_process() is not None
    if has_caller or chosen_around() is not NOTHING or propagation.is_on(carrier):
        return False
    say_once_that_nothing_records()
    return True
