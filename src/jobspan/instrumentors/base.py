"""What all instrumentors share: settings, the recorder, lazy patching, and leaving nothing behind."""

from __future__ import annotations

import logging
import re
import sys
from abc import abstractmethod
from collections.abc import Callable, Collection
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any, ClassVar

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]  # it opts out of typing

from jobspan import settings
from jobspan.events import JobSink, Sink
from jobspan.instrumentors.configuration import Configuration, is_disabled_by_file
from jobspan.instrumentors.guard import guarded
from jobspan.instrumentors.patches import Patches, is_ready
from jobspan.recording import Recorder
from jobspan.recording.sdk.flush import flush_at_exit

_logger = logging.getLogger("jobspan.instrumentors")
_GIVEN = ("tracer_provider", "meter_provider", "logger_provider", "publish_hook", "run_hook")


class LibraryInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the base is not typed
    """An instrumentor whose library is patched when it is imported, never earlier.

    Attributes:
        library: distribution name; None where any version will do.
        supported: first supported version and the first minor version that has not been tried, as tuples.
        module: the module whose import brings the hooks.
        entry_point: the name among ``opentelemetry_instrumentor``, and in a configuration file.
        contrib: the module of OpenTelemetry's own instrumentation of the same library; None where there is none.
        configuration: what a configuration file may say under the entry point.
    """

    library: ClassVar[str]
    module: ClassVar[str]
    supported: ClassVar[tuple[tuple[int, int], tuple[int, int]]]
    entry_point: ClassVar[str]
    contrib: ClassVar[str | None] = None
    configuration = Configuration()
    _asked: ClassVar[set[str]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._asked = set()

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: versions are checked when the library is there, with a log line instead of an error."""
        return ()

    def instrument(self, **kwargs: Any) -> None:
        """Switch on; does nothing where the file of ``OTEL_CONFIG_FILE`` says ``enabled: false`` under the entry point.

        Args:
            tracer_provider, meter_provider, logger_provider: the global ones where not given.
            publish_hook: called as ``publish_hook(span, job)`` with every publish span that starts and is recorded;
                ``job`` is a ``jobspan.jobs.Job``: framework, queue, name, id, attempt and what else is known.
            run_hook: the same with every run span, which is the current span then.
            any setting: in place of its environment variable.
        """
        if kwargs.get("skip_dep_check") and self.is_instrumented_by_opentelemetry:
            # A configuration file has done it already; opentelemetry-instrument then comes round once more.
            return
        if not is_disabled_by_file(self.entry_point):
            super().instrument(**kwargs)

    def listen(self, listener: Sink | None) -> None:
        """Pass every event to a listener before it is recorded; None ends that. For tests, see ``jobspan.testing``."""
        self._sink.listener = listener

    @abstractmethod
    def _hook(self, module: ModuleType, sink: JobSink, patches: Patches) -> None:
        """Connect the hooks of the imported library to the sink."""

    def _silence_contrib(self, module: ModuleType, patches: Patches) -> None:
        """Silence the instrumentation whose module ``contrib`` names, until the patches are undone."""

    def _instrument(self, **kwargs: Any) -> None:
        given = {name: kwargs.pop(name) for name in _GIVEN if kwargs.get(name) is not None}
        self._settings = settings.load(kwargs)
        self._sink = Recorder(self._settings, **given)
        self._patches = Patches()
        self._patches.on_undo(flush_at_exit())
        self._is_hooked = self._is_contrib_aside = False
        self._when_imported(self.module, self._imported)
        if self.contrib is not None:
            self._when_imported(self.contrib, self._contrib_imported)

    def _uninstrument(self, **_: Any) -> None:
        self._patches.undo()
        del self._sink

    def _when_imported(self, module: str, then: Callable[[ModuleType], None]) -> None:
        """Call ``then`` when the module is imported, or now; registered once only, however often it is switched on."""
        if module not in self._asked:
            self._asked.add(module)
            wrapt.register_post_import_hook(then, module)
        elif is_ready(module):
            then(sys.modules[module])

    def _imported(self, module: ModuleType) -> None:
        # The hook outlives uninstrument(): it then finds no sink and does nothing.
        sink = getattr(self, "_sink", None)
        if sink is None or self._is_hooked or not self._is_supported():
            return
        self._is_hooked = True
        try:
            if self.contrib is not None and is_ready(self.contrib):
                self._set_contrib_aside(sys.modules[self.contrib])
            self._hook(module, sink, self._patches)
        except Exception:
            # The application's import must not fail, and an instrumentor that raises stops all others.
            _logger.exception("%s could not be instrumented; its jobs run without spans", self.library)
            self._patches.undo()

    def _contrib_imported(self, module: ModuleType) -> None:
        if getattr(self, "_sink", None) is not None and self._is_hooked:
            self._set_contrib_aside(module)

    @guarded
    def _set_contrib_aside(self, module: ModuleType) -> None:
        """Silence OpenTelemetry's own instrumentation of the library for as long as jobspan's is on."""
        if not self._settings.coexist and not self._is_contrib_aside:
            self._is_contrib_aside = True
            self._silence_contrib(module, self._patches)

    def _is_supported(self) -> bool:
        found = _version_of(self.library)
        first, untried = self.supported
        if found is None or first <= found < untried:
            return True
        span = f"{first[0]}.{first[1]} up to, not including, {untried[0]}.{untried[1]}"
        usable = first <= found and found[0] == untried[0]
        _logger.warning(
            "%s %s is outside the supported versions (%s): %s",
            self.library,
            ".".join(map(str, found)),
            span,
            "instrumented all the same, untried" if usable else "not instrumented, its jobs run without spans",
        )
        return usable


def _version_of(library: str) -> tuple[int, int] | None:
    try:
        numbers = re.findall(r"\d+", version(library))
    except PackageNotFoundError:
        return None
    return (int(numbers[0]), int(numbers[1])) if len(numbers) > 1 else None
