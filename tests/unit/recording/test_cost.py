"""What a job costs in bytecodes of ours, with a ceiling: time cannot be trusted on a busy machine, counts can.

A ceiling is a few in a hundred above what the hungriest Python needs. Who goes past one pays for something on every
job: ``nox -s bench -- per-job`` says how much. Who gets well below lowers it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CEILINGS = {
    "recorded": (1360, 2305),
    "not sampled": (1100, 1125),
    "no SDK": (372, 972),
    "recorded and measured": (1450, 2670),
    "recorded and kept": (2010, 3130),
}
TESTS = Path(__file__).parents[2]


def test_a_job_takes_no_more_bytecodes_than_its_ceiling() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "apps.counted_job"], cwd=TESTS, capture_output=True, check=True, timeout=60
    )
    counted = json.loads(told.stdout)
    for case, (publish, run) in CEILINGS.items():
        found = counted[case]
        assert found[0] <= publish, f"{case}: a publish takes {found[0]} bytecodes, at most {publish} were expected"
        assert found[1] <= run, f"{case}: a run takes {found[1]} bytecodes, at most {run} were expected"
