"""How many bytecodes a piece of work takes in one package: the same on a busy machine as on an idle one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import get_ident
from types import CodeType, FrameType
from typing import Any


def bytecodes_of(work: Callable[[], Any], package: Path) -> int:
    """Count the bytecodes that run in files under ``package`` while the work is done."""
    return (_monitored if sys.version_info >= (3, 12) else _traced)(work, str(package))


def _monitored(work: Callable[[], Any], beginning: str) -> int:
    # Since Python 3.12 a trace function is not told of each opcode of the frames below it.
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]  # the oldest Python has none
    tool, thread, count = monitoring.PROFILER_ID, get_ident(), 0

    def instruction(code: CodeType, _: int) -> None:
        nonlocal count
        count += code.co_filename.startswith(beginning) and get_ident() == thread

    monitoring.use_tool_id(tool, "bytecodes")
    try:
        monitoring.register_callback(tool, monitoring.events.INSTRUCTION, instruction)
        monitoring.set_events(tool, monitoring.events.INSTRUCTION)
        work()
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
    return count


def _traced(work: Callable[[], Any], beginning: str) -> int:
    count = 0

    def enter(frame: FrameType, _: str, __: Any) -> Any:
        if not frame.f_code.co_filename.startswith(beginning):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return each

    def each(_: FrameType, event: str, __: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return each

    outer = sys.gettrace()
    sys.settrace(enter)
    try:
        work()
    finally:
        sys.settrace(outer)
    return count
