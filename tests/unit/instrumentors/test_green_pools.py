"""The one line for a worker whose pool of greenlets would stall."""

from __future__ import annotations

import logging

import pytest

from jobspan.events import CpuScope
from jobspan.instrumentors.celery.workarounds.green_pools import cpu_scope, warn_of_a_stall

PATCH = {"OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH": "patch_all"}


@pytest.mark.parametrize(
    ("words", "environ", "lines"),
    [
        ("celery -A app worker -P gevent", {}, 1),
        ("celery -A app worker --pool=gevent", {}, 1),
        ("celery -A app worker --pool gevent", PATCH, 0),
        ("celery -A app worker -P eventlet", PATCH, 1),
        ("celery -A app worker -P threads", {}, 0),
        ("celery -A app worker -P", {}, 0),
        ("celery -A app worker", {}, 0),
    ],
)
def test_only_a_worker_that_would_stall_says_so(
    caplog: pytest.LogCaptureFixture, words: str, environ: dict[str, str], lines: int
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_a_stall(words.split(), environ)
    assert len(caplog.records) == lines


def test_without_greenlets_a_run_has_its_threads_clock() -> None:
    assert cpu_scope() is CpuScope.THREAD
