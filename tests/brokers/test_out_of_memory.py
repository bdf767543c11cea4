"""A worker whose memory the kernel limits: the run that took too much is told as killed for want of memory."""

from __future__ import annotations

import pytest

from jobspan import conventions as c
from jobspan.runs import Span, is_run
from support.compare import assert_true
from support.deaths import how_lost, once, outcomes
from support.memory_cgroup import inside, limited_group
from support.stage import Stage
from support.waiting import wait_until
from support.workers import script

pytestmark = pytest.mark.every_python

_LIMIT_BYTES = 600 * 1024 * 1024
_WORKERS = {
    "celery": ("celery", ["-A", "apps.celery_app", "worker", "-l", "INFO", "-c", "1", "--queues", "work"], " ready."),
    "dramatiq": ("dramatiq", ["apps.dramatiq_app", "--processes", "1", "--threads", "1"], "Worker process is ready"),
}


@pytest.mark.parametrize("framework", ["celery", "dramatiq"])
def test_a_run_that_the_kernel_killed_for_want_of_memory_says_so(stage: Stage, framework: str) -> None:
    name, args, ready = _WORKERS[framework]
    with limited_group(_LIMIT_BYTES) as group:
        worker = stage.program(*inside(group, script(name), *args), name="limited", expect=(".",))
        worker.wait_for_log(ready)
        stage.put(f"{framework}:ok", f"{framework}:allocate=900")
        wait_until(lambda: len(stage.diary.runs) == 2, deadline_s=20, what="both jobs begin")
        wait_until(lambda: len(_told(stage)) == 2, deadline_s=30, what="both runs are told")
        spans = once(stage.collector.spans)
        assert_true(spans, stage.diary)
        assert [row[:2] for row in outcomes(spans)] == [("allocate", "lost"), ("ok", "succeeded")]
        lost = next(span for span in spans if span.attributes.get(c.JOBSPAN_JOB_OUTCOME) == "lost")
        assert how_lost(lost) == {"reason": "oom", "signal": "SIGKILL", "oom_killed": True}
        worker.stop()


def _told(stage: Stage) -> list[Span]:
    """Return the runs that are told; one that was being exported when its process died is told by both."""
    return [span for span in once(stage.collector.spans) if is_run(span)]
