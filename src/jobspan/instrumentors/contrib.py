"""OpenTelemetry's own instrumentations of Celery and Click, silent while ours tells of the same library.

``opentelemetry-bootstrap`` installs them by itself, and both would make a span of every run and command. Ours sets
theirs aside when it is on for that library, whichever came first, and gives it back when it is switched off.
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
    """One of their instrumentors, by its module. ``give_back`` undoes what the constructor did.

    To its user it looks as it would without us: ``is_instrumented_by_opentelemetry`` is what they made it.
    """

    module: ClassVar[str]
    name: ClassVar[str]

    def __init__(self, module: ModuleType, patches: Patches) -> None:
        self._module = module
        self._instrumentor: Any = getattr(module, self.name)
        self._has_said = False
        instance = self._instrumentor._instance  # noqa: SLF001 - None where nobody has made one
        self._is_on = bool(instance is not None and instance.is_instrumented_by_opentelemetry)
        self._silence(instance)
        if self._is_on:
            self._say()
        # Undone last, when their own methods are back.
        patches.on_undo(self.give_back)
        patches.wrap(self._instrumentor, "_instrument", self._instrument)
        patches.wrap(self._instrumentor, "_uninstrument", self._uninstrument)

    @abstractmethod
    def give_back(self) -> None:
        """Switch theirs on again, if it would be on without us."""

    @abstractmethod
    def _silence(self, instance: Any) -> None:
        """Switch theirs off."""

    @abstractmethod
    def _instrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Stand around their ``_instrument``."""

    @abstractmethod
    def _uninstrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        """Stand around their ``_uninstrument``."""

    def _say(self) -> None:
        if not self._has_said:
            self._has_said = True
            _logger.warning(
                "%s is set aside, for jobspan tells of the same work (OTEL_PYTHON_JOBSPAN_COEXIST=true leaves it on)",
                self.module,
            )


class ContribCelery(Contrib):
    """Theirs of Celery: its signal receivers are disconnected, and connected again as they were."""

    module: ClassVar[str] = "opentelemetry.instrumentation.celery"
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
        instance = self._instrumentor._instance  # noqa: SLF001 - it may have been made after us
        if self._is_on and instance is not None:
            instance._instrument(**self._kwargs)  # noqa: SLF001 - as above
            vars(instance).update(self._state)


class ContribClick(Contrib):
    """Theirs of Click: its wrapper stays where it is in the chain, and skips every command as it skips servers."""

    module: ClassVar[str] = "opentelemetry.instrumentation.click"
    name: ClassVar[str] = "ClickInstrumentor"

    def _silence(self, instance: Any) -> None:
        self._is_to_go = False
        self._skip_servers = self._module._skip_servers  # noqa: SLF001 - read at each call
        self._module._skip_servers = lambda _: True  # type: ignore[attr-defined]  # noqa: SLF001

    def _instrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self._say()
        if self._is_to_go:
            self._is_to_go = False
        else:
            wrapped(*args, **kwargs)

    def _uninstrument(self, wrapped: Callable[..., Any], instance: Any, args: Any, kwargs: dict[str, Any]) -> None:
        # Theirs takes away the outermost wrapper, whose ever it is: while that is ours, theirs has to wait.
        if self._is_outermost():
            wrapped(*args, **kwargs)
        else:
            self._is_to_go = True

    def _is_outermost(self) -> bool:
        wrapper = getattr(self._module.click.core.Command.invoke, "_self_wrapper", None)
        return getattr(wrapper, "func", None) is self._module._command_invoke_wrapper  # noqa: SLF001

    def give_back(self) -> None:
        """Let it skip servers only, or take it away if its user did so meanwhile."""
        self._module._skip_servers = self._skip_servers  # type: ignore[attr-defined]  # noqa: SLF001
        if self._is_to_go:
            self._instrumentor._instance._uninstrument()  # noqa: SLF001 - its flag says it already
