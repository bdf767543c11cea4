"""Puts jobs at a steady pace, whatever becomes of them: ``load.py SECONDS '["celery:ok", "celery:slow=1"]'``."""

from __future__ import annotations

import itertools
import json
import sys
import time

from apps.command import _parsed, _put_one
from support import diary

_A_SECOND = 40
FAILED = "could not put a job"


def main(seconds: float, jobs: list[str]) -> None:
    """Put them, in turn."""
    end = time.monotonic() + seconds
    for job in itertools.cycle(jobs):
        if time.monotonic() > end:
            return
        try:
            _put_one(*_parsed(job))
        except Exception as error:
            print(FAILED, type(error).__name__, flush=True)
        time.sleep(1 / _A_SECOND)


if __name__ == "__main__":
    with diary.command("load.py"):
        main(float(sys.argv[1]), json.loads(sys.argv[2]))
