"""A program in the words of a test, in a process of its own: what it does stays out of the tests' process."""

from __future__ import annotations

import os
import subprocess
import sys


def printed_by(program: str, *args: str) -> str:
    """Run it to its end, without warnings, and return what it prints; what it says on stderr is a failure."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *args],
        env={**os.environ, "PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout.strip()
