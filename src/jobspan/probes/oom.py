"""How often the kernel has killed for want of memory: in this process's control group, else on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def oom_kills() -> int | None:
    """Return the kernel's count; None where there is none. It names no victim: only a rise means something."""
    for path, word in _counters():
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        found = [line.split() for line in lines if line.startswith(word + " ")]
        if found and found[0][1].isdigit():
            return int(found[0][1])
    return None


def _counters() -> Iterator[tuple[Path, str]]:
    for line in _own_groups():
        _, controllers, group = line.split(":", 2)
        group = group.strip("/")
        if not controllers:
            # In a container the path may be the host's, or "/": then the mount's root is the group.
            yield from ((_CGROUPS / part / "memory.events", "oom_kill") for part in (group, ""))
        elif "memory" in controllers.split(","):
            yield from ((_CGROUPS / "memory" / part / "memory.oom_control", "oom_kill") for part in (group, ""))
    yield Path("/proc/vmstat"), "oom_kill"


def _own_groups() -> list[str]:
    try:
        return Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
