"""What a child process of Celery's pool knows of its limit: what we lean on, and what we make of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
from billiard.pool import Pool
from jobspan.instrumentors.celery.children import memory_limit_bytes

if __name__ == "__main__":
    pool = Pool(1, max_memory_per_child={limit})
    print(pool.apply(memory_limit_bytes), memory_limit_bytes())
    pool.terminate()
    pool.join()
"""


@pytest.mark.parametrize(("limit", "known"), [(900_000, str(900_000 * 1024)), (None, "None"), (0, "None")])
def test_a_child_knows_the_memory_limit_of_its_pool(limit: int | None, known: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(limit=limit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == [known, "None"], done.stderr
