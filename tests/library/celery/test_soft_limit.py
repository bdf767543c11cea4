"""A soft time limit that lands in one of our hooks reaches the job, and no span or context is left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from opentelemetry.context import get_current

from jobspan import CeleryInstrumentor
from jobspan.instrumentors.celery.publish_hooks import _current
from library.conftest import Instrumentation
from support.soft_limits import interrupt_at

app = Celery("soft", broker="memory://", set_as_current=False)
PUBLISHING = "/jobspan/instrumentors/"


@pytest.fixture(autouse=True)
def in_the_shipped_mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the guard swallow what it swallows in production."""
    monkeypatch.setattr("jobspan.instrumentors.guard.raises", False)
    yield
    sys.settrace(None)


def test_at_no_line_of_ours_is_it_lost(instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch) -> None:
    instrumentation.on(CeleryInstrumentor())
    monkeypatch.setattr("jobspan.instrumentors.guard.raises", False)
    app.send_task("warm-up")
    before, number = get_current(), 0
    landed: list[str] = []
    lost: list[str] = []
    while True:
        number += 1
        seen = interrupt_at(number, PUBLISHING)
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
        call = _current.get()
        assert call is None or call.is_over, f"a call under way was left at {seen}"
    assert len(landed) > 10
    assert len(lost) <= 1
