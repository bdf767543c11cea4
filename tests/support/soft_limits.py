"""Celery's soft time limit, raised at a line of ours that a test chooses: it may land at any."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from billiard.exceptions import SoftTimeLimitExceeded


def interrupt_at(number: int, within: str = "/src/jobspan/", functions: frozenset[str] | None = None) -> list[str]:
    """Raise a soft time limit at the so-manieth line that runs of those files or functions; return where that was."""
    seen: list[str] = []
    count = [0]

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        is_one = functions is None or frame.f_code.co_name in functions
        if event == "line" and is_one and within in frame.f_code.co_filename.replace("\\", "/"):
            count[0] += 1
            if count[0] == number:
                seen.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
                sys.settrace(None)
                raise SoftTimeLimitExceeded
        return trace

    sys.settrace(trace)
    return seen
