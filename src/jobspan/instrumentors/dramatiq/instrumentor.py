"""Switches the instrumentation of Dramatiq on and off."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import wrapt

from jobspan.events import JobSink
from jobspan.instrumentors.base import LibraryInstrumentor
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, when_imported
from jobspan.instrumentors.schedules import install_apscheduler


class DramatiqInstrumentor(LibraryInstrumentor):
    """Every Dramatiq publish and run becomes a span, on every broker of the process, whenever it was made.

    ``instrument()`` without arguments does what ``opentelemetry-instrument`` does.
    """

    library: ClassVar[str] = "dramatiq"
    module: ClassVar[str] = "dramatiq.broker"
    supported: ClassVar[tuple[tuple[int, int], tuple[int, int]]] = ((1, 17), (2, 3))
    entry_point: ClassVar[str] = "jobspan_dramatiq"

    def _hook(self, module: ModuleType, sink: JobSink, patches: Patches) -> None:
        brokers = _Brokers(sink, patches, canary=self._settings.canary)
        for broker in _made_before(module.Broker):
            brokers.join(broker)
        patches.wrap(module.Broker, "__init__", brokers.after_init)
        patches.on_undo(brokers.close)
        install_apscheduler(patches)
        # An import of Dramatiq brings the brokers' module first and the worker's last.
        wrapt.register_post_import_hook(brokers.after_worker_import, "dramatiq.worker")
        when_imported("dramatiq.cli", partial(_watch, sink=sink, patches=patches), patches)


@guarded
def _watch(cli: ModuleType, *, sink: JobSink, patches: Patches) -> None:
    from jobspan.instrumentors.dramatiq.children import Children, keep

    keep(Children(sink), sink, cli, patches)


class _Joined(NamedTuple):
    """What stands in a broker for us."""

    middleware: weakref.ref[Any]
    enqueue: weakref.ref[Any]

    def leave(self, broker: Any) -> None:
        """Take it out, unless somebody has put theirs around it."""
        middleware = self.middleware()
        if middleware in broker.middleware:
            broker.middleware.remove(middleware)
        if vars(broker).get("enqueue") is self.enqueue():
            del broker.enqueue


class _Brokers:
    """The brokers of this process, each with our middleware in first place."""

    def __init__(self, sink: JobSink, patches: Patches, *, canary: bool) -> None:
        self._sink = sink
        self._canary = canary
        self._patches = patches
        # Held weakly, and by nothing else of ours: a broker that its application drops is gone.
        self._joined: weakref.WeakKeyDictionary[Any, _Joined] = weakref.WeakKeyDictionary()
        self._is_on = True

    def close(self) -> None:
        """Leave every broker, and do nothing from now on."""
        self._is_on = False
        for broker, joined in list(self._joined.items()):
            joined.leave(broker)

    @guarded
    def after_worker_import(self, _: ModuleType) -> None:
        """Stand around the consumer threads, and around groups."""
        from jobspan.instrumentors.dramatiq.consumers import Consumers
        from jobspan.instrumentors.dramatiq.groups import Groups

        if self._is_on:
            Consumers(self._sink).install(self._patches)
            Groups(self._sink).install(self._patches)

    def after_init(
        self, wrapped: Callable[..., None], broker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Stand around ``Broker.__init__``, which every broker's own calls."""
        wrapped(*args, **kwargs)
        self.join(broker)

    @guarded
    def join(self, broker: Any) -> None:
        """Put our middleware before all others and stand around the broker's ``enqueue``."""
        from jobspan.instrumentors.dramatiq.middleware import JobspanMiddleware

        if broker in self._joined:
            return
        middleware = JobspanMiddleware(self._sink, canary=self._canary)
        # First in the list: our before-hooks run before AgeLimit can skip, our after-hooks run last, so that retries,
        # callbacks and pipelines are published inside the run's span.
        broker.middleware.insert(0, middleware)
        enqueue = wrapt.FunctionWrapper(broker.enqueue, middleware.enqueue)
        broker.enqueue = enqueue
        self._joined[broker] = _Joined(weakref.ref(middleware), weakref.ref(enqueue))


def _made_before(base: type) -> list[Any]:
    """Return the brokers that exist already, also those that are nobody's global broker."""
    if not base.__subclasses__():
        return []
    kinds, found = [base], []
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        found += [thing for thing in gc.get_referrers(kind) if type(thing) is kind]
    return found
