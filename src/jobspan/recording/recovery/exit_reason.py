"""How a process died, as attributes of its lost runs: from its exit code, and the kernel's count of its kills."""

from __future__ import annotations

import signal
from typing import Any

from jobspan import conventions as c
from jobspan.probes.oom import oom_kills
from jobspan.recording.attributes.signal_names import signal_name


class Exits:
    """Knows how processes died; those that the kernel killed for want of memory are counted from the first on."""

    def __init__(self) -> None:
        self._oom_kills: int | None = None

    def begin(self) -> None:
        """Count from now on."""
        self._oom_kills = oom_kills()

    def attributes_of(self, exit_code: int | None) -> dict[str, Any]:
        """Return the attributes of an exit code, negative for a signal; none where it is not known."""
        if exit_code is None:
            return {}
        if exit_code >= 0:
            return {c.JOBSPAN_JOB_LOST_REASON: c.LOST_EXIT, c.JOBSPAN_JOB_EXIT_CODE: exit_code}
        attributes: dict[str, Any] = {
            c.JOBSPAN_JOB_LOST_REASON: c.LOST_SIGNAL,
            c.JOBSPAN_JOB_EXIT_SIGNAL: signal_name(-exit_code),
        }
        if -exit_code == signal.SIGKILL and self._oom_kills is not None:
            before, now = self._oom_kills, oom_kills()
            if now is not None:
                attributes[c.JOBSPAN_JOB_OOM_KILLED] = now > before
                self._oom_kills = now
                if now > before:
                    attributes[c.JOBSPAN_JOB_LOST_REASON] = c.LOST_OOM
        return attributes
