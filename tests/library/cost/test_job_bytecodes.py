"""What a real job costs in bytecodes of ours, from the library's hooks to the span: counts do not mind a busy machine.

A ceiling is a few in a hundred above what the hungriest Python needs, as in ``unit/recording/test_cost.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CEILINGS = {
    ("celery", "recorded"): (1675, 2210),
    ("celery", "not sampled"): (785, 775),
    ("celery", "no SDK"): (230, 445),
    ("dramatiq", "recorded"): (1735, 2440),
    ("dramatiq", "not sampled"): (870, 1000),
    ("dramatiq", "no SDK"): (260, 670),
}
TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize(("framework", "case"), CEILINGS)
def test_a_real_job_takes_no_more_bytecodes_than_its_ceiling(framework: str, case: str) -> None:
    command = [sys.executable, "-m", "apps.counted_hooks", framework, case]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, check=True, timeout=60)
    publish, run = json.loads(done.stdout)
    most_publish, most_run = CEILINGS[framework, case]
    assert publish <= most_publish, f"a publish takes {publish} bytecodes, at most {most_publish} were expected"
    assert run <= most_run, f"a run takes {run} bytecodes, at most {most_run} were expected"
