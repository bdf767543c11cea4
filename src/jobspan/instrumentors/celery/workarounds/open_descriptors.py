"""What stays open where Celery closes every descriptor of a process: what gRPC waits on.

Beat inside a worker (``worker -B``) and ``beat --detach`` begin so, with the exporters of the process that they were
forked from. Without them gRPC sends nothing any more, and logs that as fast as the processor can.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported

_OURS = Path("/proc/self/fd")
_WAITED_ON = frozenset({"anon_inode:[eventpoll]", "anon_inode:[eventfd]"})


def install(patches: Patches) -> None:
    """Wrap ``celery.platforms.close_open_fds``."""
    when_imported("celery.platforms", lambda module: patches.wrap(module, "close_open_fds", _close_the_others), patches)


def _close_the_others(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    kept = _waited_on()
    if not kept:
        return wrapped(*args, **kwargs)
    given = args[0] if args else kwargs.get("keep")
    return wrapped([*(given or ()), *kept])


@guarded
def _waited_on() -> list[int]:
    if "grpc" not in sys.modules or not _OURS.is_dir():
        return []
    return [int(descriptor.name) for descriptor in _OURS.iterdir() if _leads_to(descriptor) in _WAITED_ON]


def _leads_to(descriptor: Path) -> str | None:
    # The one that lists them is closed by now.
    with suppress(OSError):
        return str(descriptor.readlink())
    return None
