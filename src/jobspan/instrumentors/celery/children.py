"""The child processes of a prefork worker: how large they may be, that they are dead, whether their jobs run again."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import signals

from jobspan.events import ProcessEnded, Sink, WatchEnded, WatchStarted
from jobspan.flight.watch import Watch
from jobspan.instrumentors.celery.outcomes import runs_again_when_lost
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported


class Children:
    """Tells the sink of the children's deaths: at once by the kernel, else when Celery reaps them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._watch = Watch(self._died)

    @guarded
    def worker_begins(self, **_: Any) -> None:
        """Take ``celeryd_init``."""
        self._sink(WatchStarted())

    @guarded
    def worker_ends(self, **_: Any) -> None:
        """Take ``worker_shutdown``: the children have been joined."""
        self._sink(WatchEnded(_is_final))

    def created(self, wrapped: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``Pool._create_worker_process``, through which every child comes."""
        process = wrapped(*args, **kwargs)
        self._watched(process)
        return process

    def reaped(self, wrapped: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Stand around ``Pool.process_flush_queues``, called before a replacement is made; and of living children."""
        self._seen(*args, **kwargs)
        return wrapped(*args, **kwargs)

    @guarded
    def _watched(self, process: Any) -> None:
        self._watch.add(process.pid)

    @guarded
    def _seen(self, process: Any, *_: Any, **__: Any) -> None:
        if process.exitcode is not None:
            self._died(process.pid, process.exitcode)

    @guarded
    def _died(self, pid: int, exit_code: int | None) -> None:
        # A supervisor may signal all processes of a worker: systemd does.
        is_asked_to = exit_code == -signal.SIGTERM and _is_stopping()
        self._sink(ProcessEnded(pid, exit_code, time.time_ns(), _is_final, is_asked_to))


def memory_limit_bytes() -> int | None:
    """Return ``max_memory_per_child`` of the pool that this process is a child of; None: it has none."""
    from billiard.process import current_process

    # Billiard compares it with ru_maxrss after each task.
    worker = getattr(current_process(), "_target", None)
    limit_kib = getattr(worker, "max_memory_per_child", None)
    return limit_kib * 1024 if isinstance(limit_kib, int) and limit_kib > 0 else None


def _is_final(job_id: str) -> bool | None:
    """Say whether a lost run of a job was its last; None where this worker does not know the job."""
    from celery.worker import state

    request = state.requests.get(job_id)
    return None if request is None else not runs_again_when_lost(request.task, request._context.retries)  # noqa: SLF001


def _is_stopping() -> bool:
    from celery.worker import state

    return any(asked is not None and asked is not False for asked in (state.should_stop, state.should_terminate))


def keep(children: Children, patches: Patches) -> None:
    """Connect the hooks of the main process; its modules are patched when a worker imports them."""
    for heard, hook in (
        (signals.celeryd_init, children.worker_begins),
        (signals.worker_shutdown, children.worker_ends),
    ):
        heard.connect(hook, weak=False, dispatch_uid=f"jobspan-children-{heard.name}")
        patches.on_undo(partial(heard.disconnect, dispatch_uid=f"jobspan-children-{heard.name}"))

    def pools(module: Any) -> None:
        patches.wrap(module.Pool, "_create_worker_process", children.created)
        patches.wrap(module.Pool, "process_flush_queues", children.reaped)

    def asynchronous_pools(module: Any) -> None:
        patches.wrap(module.AsynPool, "process_flush_queues", children.reaped)

    when_imported("billiard.pool", pools, patches)
    when_imported("celery.concurrency.asynpool", asynchronous_pools, patches)
