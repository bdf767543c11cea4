"""Recover what was left by processes that died together with their supervisors, or that had none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jobspan.recording.journal.flight_log import flight_log
from jobspan.recording.recovery.backlog import make_room
from jobspan.recording.safety import dropped
from jobspan.recording.sdk.flush import flush

with suppress(ImportError):  # no file locks: not a POSIX system, and no file is ever opened
    from jobspan.flight import lost_runs, reading

_SDK_LATE_S = 10.0
"""For so long a process may take to set up its SDK when it has begun."""
_LOOKS_AGAIN_S = 0.1


def sweep_orphans(folder: Path, recover: Callable[[Path], None]) -> None:
    """Begin to recover each file of the folder that no process owns or watches any more."""
    threading.Thread(target=_sweep_orphans, args=(folder, recover), daemon=True, name="jobspan-orphans").start()


def _sweep_orphans(folder: Path, recover: Callable[[Path], None]) -> None:
    try:
        deadline = time.monotonic() + _SDK_LATE_S
        while not flight_log.has_exporter:
            if time.monotonic() > deadline:
                # It is left to one whose spans go somewhere.
                reading.forget_old(folder)
                return
            time.sleep(_LOOKS_AGAIN_S)
        lost_runs.sweep(folder)
        reading.sweep(folder)
        for path in reading.orphans(folder):
            make_room()
            recover(path)
            flush()
    except Exception as error:  # noqa: BLE001 - a thread of jobspan in the application's worker
        dropped.count(f"{dropped.HOOK_ERROR}:salvage", repr(error), error=error)
