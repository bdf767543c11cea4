"""A control group of the kernel with a memory limit, of either version; where the machine lets us make one."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from support.waiting import wait_until

_ROOT = Path("/sys/fs/cgroup")
_DECOYS = 3
_DECOY = "echo 500 > /proc/$$/oom_score_adj; exec sleep 600"
"""Before the memory of the first that it killed is free, the kernel may kill the next: these come before a worker."""


@contextmanager
def limited_group(limit_bytes: int) -> Iterator[Path]:
    """Make a group whose processes together get no more memory.

    They must have ended when this ends; after an error they are killed. Skips the test where the
    kernel gives us none.
    """
    version_1 = (_ROOT / "memory" / "cgroup.procs").exists()
    parent, limit = (_ROOT / "memory", "memory.limit_in_bytes") if version_1 else (_ROOT, "memory.max")
    group = parent / f"jobspan-test-{uuid.uuid4().hex[:8]}"
    try:
        group.mkdir()
        (group / limit).write_text(str(limit_bytes))
        with suppress(OSError):
            (group / "memory.swap.max").write_text("0")
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"this platform gives no memory group to make: {error}")
    decoys = [subprocess.Popen(inside(group, "sh", "-c", _DECOY)) for _ in range(_DECOYS)]
    try:
        yield group
    except BaseException:
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        raise
    finally:
        for decoy in decoys:
            decoy.kill()
            decoy.wait()
        wait_until(lambda: _removed(group), deadline_s=20, what="the group is empty")


def inside(group: Path, *command: str) -> list[str]:
    """Return a command line that runs a program in the group from its beginning."""
    return ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command]


def _removed(group: Path) -> bool:
    try:
        os.rmdir(group)  # noqa: PTH106 - pathlib would do the same
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
