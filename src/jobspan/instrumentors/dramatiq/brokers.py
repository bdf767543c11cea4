"""The brokers of this process, whenever they were made, each with jobspan's middleware in it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from jobspan.events import JobSink
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches
from jobspan.named_tuple import NamedTuple


class _Joined(NamedTuple):
    """What jobspan has put into a broker."""

    middleware: weakref.ref[Any]
    enqueue: weakref.ref[Any]

    def leave(self, broker: Any) -> None:
        """Take it out, unless another library has wrapped it."""
        from jobspan.instrumentors.dramatiq.draining import OpenRunEnds

        middleware = self.middleware()
        if middleware is not None and middleware in broker.middleware:
            open_run_ends = OpenRunEnds(middleware, _exchange)
            _exchange(broker, middleware, open_run_ends)
            open_run_ends.leave_when_drained(broker)
        if vars(broker).get("enqueue") is self.enqueue():
            del broker.enqueue


class Brokers:
    """The brokers of this process, each with jobspan's middleware in first place."""

    def __init__(self, sink: JobSink, patches: Patches, *, canary: bool) -> None:
        self._sink = sink
        self._canary = canary
        self._patches = patches
        # Held weakly, here and everywhere: a broker that its application drops is gone.
        self._joined: weakref.WeakKeyDictionary[Any, _Joined] = weakref.WeakKeyDictionary()
        self._is_on = True

    def close(self) -> None:
        """Leave every broker, and do nothing from now on."""
        self._is_on = False
        for broker, joined in list(self._joined.items()):
            joined.leave(broker)

    @guarded
    def after_worker_import(self, _: ModuleType) -> None:
        """Wrap the consumer threads, and groups."""
        from jobspan.instrumentors.dramatiq import batch_hooks, consumers

        if self._is_on:
            consumers.install(self._sink, self._patches)
            batch_hooks.install(self._sink, self._patches)

    def after_init(
        self, wrapped: Callable[..., None], broker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Wrap ``Broker.__init__``, which every broker's own calls."""
        wrapped(*args, **kwargs)
        self.join(broker)

    @guarded
    def join(self, broker: Any) -> None:
        """Insert jobspan's middleware before all others and wrap the broker's ``enqueue``."""
        from jobspan.instrumentors.dramatiq.middleware import JobspanMiddleware

        if broker in self._joined:
            return
        middleware = JobspanMiddleware(self._sink, canary=self._canary)
        # First in the list: the before-hooks run before AgeLimit can skip, the after-hooks run last, so that retries,
        # callbacks and pipelines are published inside the run's span.
        broker.middleware.insert(0, middleware)
        enqueue = wrapt.FunctionWrapper(broker.enqueue, middleware.enqueue)
        broker.enqueue = enqueue
        self._joined[broker] = _Joined(weakref.ref(middleware), weakref.ref(enqueue))


def _exchange(broker: Any, middleware: Any, *others: Any) -> None:
    """Replace a middleware by others, or by nothing."""
    # A new list: another thread may be iterating over this one, and would skip a middleware.
    broker.middleware = [new for old in broker.middleware for new in (others if old is middleware else (old,))]


def made_before(base: type) -> list[Any]:
    """Return the brokers that exist already, also those that are not the global broker."""
    if not base.__subclasses__():
        return []
    kinds, found = [base], []
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        found += [thing for thing in gc.get_referrers(kind) if type(thing) is kind]
    return found
