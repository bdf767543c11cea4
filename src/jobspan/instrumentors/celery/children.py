"""The child processes of a prefork worker: how large they may be, that they are dead, whether their jobs run again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from celery import signals

from jobspan.events import Sink
from jobspan.instrumentors.celery.outcomes import runs_again_when_lost
from jobspan.instrumentors.patches import Patches, when_imported

if TYPE_CHECKING:
    from jobspan.instrumentors.task_library.child_watch import ChildWatch


def install(sink: Sink, patches: Patches) -> None:
    """Connect the hooks of the main process; its pools are wrapped when a worker imports them."""
    children = Children(sink)
    patches.connect(signals.celeryd_init, children.worker_begins)
    patches.connect(signals.worker_shutdown, children.worker_ends)

    def pools(module: Any) -> None:
        patches.wrap(module.Pool, "_create_worker_process", children.created)
        patches.wrap(module.Pool, "process_flush_queues", children.reaped)

    def asynchronous_pools(module: Any) -> None:
        patches.wrap(module.AsynPool, "process_flush_queues", children.reaped)

    when_imported("billiard.pool", pools, patches)
    when_imported("celery.concurrency.asynpool", asynchronous_pools, patches)


class Children:
    """Reports the children's deaths to the sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._made: ChildWatch | None = None

    @property
    def _watch(self) -> ChildWatch:
        if self._made is None:
            # Programs that only publish start without it: tests/library/cost/test_start_up.py counts their modules.
            from jobspan.instrumentors.task_library.child_watch import ChildWatch

            self._made = ChildWatch(self._sink, _is_final, _is_asked_to)
        return self._made

    def worker_begins(self, **_: Any) -> None:
        """Take ``celeryd_init``."""
        self._watch.begin()

    def worker_ends(self, **_: Any) -> None:
        """Take ``worker_shutdown``: the children have been joined."""
        self._watch.end()

    def created(self, wrapped: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``Pool._create_worker_process``, through which every child comes."""
        process = wrapped(*args, **kwargs)
        self._watch.add(process)
        return process

    def reaped(self, wrapped: Callable[..., Any], pool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Wrap ``Pool.process_flush_queues``, called before a replacement is made; and with living children."""
        self._watch.reaped(*args, **kwargs)
        return wrapped(*args, **kwargs)


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


def _is_asked_to(exit_code: int | None) -> bool:
    """Say whether a child was asked to leave because its worker stops: systemd signals all processes of a worker."""
    from celery.worker import state

    is_stopping = any(flag is not None and flag is not False for flag in (state.should_stop, state.should_terminate))
    return exit_code == -signal.SIGTERM and is_stopping
