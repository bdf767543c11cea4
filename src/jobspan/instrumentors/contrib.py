"""OpenTelemetry's own instrumentations of Celery and Click, silent while jobspan's instrument the same library.

``opentelemetry-bootstrap`` installs them by itself, and both would make a span of every run and command. jobspan
silences them when it is on for that library, whichever came first, and restores them when it is switched off.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

from jobspan.instrumentors.patches import Patches

_logger = logging.getLogger("jobspan.contrib")


class Contrib(ABC):
    """One of those instrumentors, by its module. ``give_back`` undoes what the constructor did.

    To its user it looks as it would without jobspan: ``is_instrumented_by_opentelemetry`` is what they made it.
    """

    name: ClassVar[str]

    def __init__(self, module: ModuleType, patches: Patches) -> None:
        self._module = module
        self._instrumentor: Any = getattr(module, self.name)
        self._has_said = False
        instance = self._instrumentor._instance  # noqa: SLF001 - None where none has been made
        self._is_on = bool(instance is not None and instance.is_instrumented_by_opentelemetry)
        self._silence(instance)
        if self._is_on:
            self._say()
        # Undone last, when its own methods are back.
        patches.on_undo(self.give_back)
        patches.wrap(self._instrumentor, "_instrument", self._instrument)
        patches.wrap(self._instrumentor, "_uninstrument", self._uninstrument)

    @abstractmethod
    def give_back(self) -> None:
        """Switch it on again, if it would be on without jobspan."""

    @abstractmethod
    def _silence(self, instance: Any) -> None:
        """Switch it off."""

    @abstractmethod
    def _instrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Wrap its ``_instrument``."""

    @abstractmethod
    def _uninstrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Wrap its ``_uninstrument``."""

    def _say(self) -> None:
        if not self._has_said:
            self._has_said = True
            _logger.warning(
                "%s is set aside, for jobspan records the same work (OTEL_PYTHON_JOBSPAN_COEXIST=true leaves it on)",
                self._module.__name__,
            )
