"""Whether threads are greenlets here, and where real ones come from."""

from __future__ import annotations

import _thread
import sys
from collections.abc import Callable
from typing import Any

from jobspan.named_tuple import NamedTuple


class RealThreads(NamedTuple):
    """How a real thread is started, and the lock that it may wait on."""

    start: Callable[[Callable[[], None], tuple[()]], int]
    lock: Callable[[], Any]


def are_threads_green() -> bool:
    """Say whether gevent or eventlet has put greenlets in the place of threads."""
    if "gevent.monkey" not in sys.modules and "eventlet.patcher" not in sys.modules:
        return False  # looked at for every job
    gevent: Any = sys.modules.get("gevent.monkey")
    return (gevent is not None and gevent.is_module_patched("threading")) or _are_eventlets()


def real_threads() -> RealThreads | None:
    """Return real threads, also under gevent; None under eventlet, which hands none out."""
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None:
        return RealThreads(*gevent.get_original("_thread", ["start_new_thread", "allocate_lock"]))
    return None if _are_eventlets() else RealThreads(_thread.start_new_thread, _thread.allocate_lock)


def _are_eventlets() -> bool:
    eventlet: Any = sys.modules.get("eventlet.patcher")
    return eventlet is not None and bool(eventlet.is_monkey_patched("thread"))
