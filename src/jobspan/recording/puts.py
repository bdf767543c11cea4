"""Whether this process has put a job itself, of which it has to tell before it leaves."""

from __future__ import annotations

import os

put = [False]
"""Set by each publish."""


def has_put() -> bool:
    """Say whether this process has a publish to tell of, itself and not the one that it was forked from."""
    return put[0]


def _forget() -> None:
    put[0] = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
