"""Puts jobs at a steady pace: ``load.py SECONDS '["celery:ok", "celery:slow=1"]'``."""

from __future__ import annotations

import itertools
import json
import sys
import time

from apps.command import _parsed, _put_one

_A_SECOND = 40


def main(seconds: float, jobs: list[str]) -> None:
    """Put them, in turn."""
    end = time.monotonic() + seconds
    for job in itertools.cycle(jobs):
        if time.monotonic() > end:
            return
        _put_one(*_parsed(job))
        time.sleep(1 / _A_SECOND)


if __name__ == "__main__":
    main(float(sys.argv[1]), json.loads(sys.argv[2]))
