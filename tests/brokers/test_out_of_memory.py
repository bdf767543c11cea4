"""A worker whose memory the kernel limits: the run that took too much is told as killed for want of memory."""

from __future__ import annotations

import pytest

from jobspan import conventions as c
from support.compare import assert_true
from support.deaths import how_lost, outcomes, wait_for_runs
from support.memory_cgroup import inside, limited_group
from support.stage import Stage
from support.waiting import wait_until
from support.workers import script

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
        lost = next(s for s in wait_for_runs(stage, 2) if s.attributes[c.JOBSPAN_JOB_OUTCOME] == "lost")
        assert how_lost(lost) == {"reason": "oom", "signal": "SIGKILL", "oom_killed": True}
        assert [row[:2] for row in outcomes(stage.collector.spans)] == [
            ("allocate", "lost"),
            ("ok", "succeeded"),
        ]
        assert_true(stage.collector.spans, stage.diary)
        worker.stop()
