"""OpenTelemetry's own instrumentation of Celery, silent while jobspan's is on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from jobspan.instrumentors.contrib import Contrib


class ContribCelery(Contrib):
    """Silences it: its signal receivers are disconnected, and connected again as they were."""

    name: ClassVar[str] = "CeleryInstrumentor"

    def _silence(self, instance: Any) -> None:
        self._kwargs: dict[str, Any] = {}
        # What it was made with cannot be asked for: what it made of that is kept.
        self._state = dict(vars(instance)) if self._is_on else {}
        if self._is_on:
            instance._uninstrument()  # noqa: SLF001 - its flag is to stay as its user set it

    def _instrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self._is_on, self._kwargs, self._state = True, dict(kwargs), {}
        self._say()

    def _uninstrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self._is_on = False

    def give_back(self) -> None:
        """Connect its receivers again."""
        instance = self._instrumentor._instance  # noqa: SLF001 - it may have been made after this
        if self._is_on and instance is not None:
            instance._instrument(**self._kwargs)  # noqa: SLF001 - its flag is to stay as its user set it
            vars(instance).update(self._state)
