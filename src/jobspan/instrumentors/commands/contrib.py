"""OpenTelemetry's own instrumentation of Click, silent while jobspan's is on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from jobspan.instrumentors.contrib import Contrib


class ContribClick(Contrib):
    """Silences it: its wrapper stays where it is in the chain, and skips every command as it skips servers."""

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
        # It removes the outermost wrapper, whose ever that is: while that is jobspan's, it has to wait.
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
