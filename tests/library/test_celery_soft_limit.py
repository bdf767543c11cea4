"""A soft time limit that lands in one of our hooks reaches the job, and no span or context is left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from opentelemetry.context import get_current

from jobspan import CeleryInstrumentor
from library.conftest import Instrumentation

app = Celery("soft", broker="memory://", set_as_current=False)


@pytest.fixture(autouse=True)
def in_the_shipped_mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the guard swallow what it swallows in production."""
    monkeypatch.setattr("jobspan.instrumentors.guard.raises", False)
    yield
    sys.settrace(None)


def interrupt_at(number: int) -> list[str]:
    """Raise a soft time limit at the so-manieth line of ours that runs; return where that was."""
    seen: list[str] = []
    count = [0]

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        ours = "/jobspan/instrumentors/celery/publishing" in frame.f_code.co_filename.replace("\\", "/")
        if event == "line" and ours:
            count[0] += 1
            if count[0] == number:
                seen.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
                sys.settrace(None)
                raise SoftTimeLimitExceeded
        return trace

    sys.settrace(trace)
    return seen


def test_at_no_line_of_ours_is_it_lost(instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch) -> None:
    instrumentation.on(CeleryInstrumentor())
    monkeypatch.setattr("jobspan.instrumentors.guard.raises", False)
    app.send_task("warm-up")
    before, number = get_current(), 0
    landed: list[str] = []
    lost: list[str] = []
    while True:
        number += 1
        seen = interrupt_at(number)
        try:
            app.send_task("work")
        except SoftTimeLimitExceeded:
            landed += seen
        else:
            sys.settrace(None)
            if not seen:
                break
            # Before our hook has begun it lands in Celery's own signal, which loses it without us too.
            assert seen[0].startswith("before_publish:"), f"the time limit was lost at {seen}"
            lost += seen
        assert get_current() == before, f"a context was left at {seen}"
    assert len(landed) > 10
    assert len(lost) <= 1
