"""Commands that no hook can see, marked by the code itself: ``with jobspan.command("nightly-import"):``."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_logger = logging.getLogger("jobspan.command")

F = TypeVar("F", bound=Callable[..., Any])


class Listener(Protocol):
    """What records commands in this process."""

    def began(self, key: Hashable, name: str, attributes: Mapping[str, Any]) -> None:
        """One begins."""

    def ended(self, key: Hashable, error: BaseException | None) -> None:
        """It ends, by an exception where one leaves it."""


class command:  # noqa: N801 - reads as the word that it is
    """Make what is inside the root of the jobs that it publishes: ``with``, ``async with``, or above a function.

    Inside a job or another command it is a part of that one. An exception that leaves it makes it a failed one, and
    goes on. Does nothing where commands are not instrumented.

    Args:
        name: of few different values: what is done, not with what.
        attributes: of the span, as OpenTelemetry allows them: text, numbers, booleans, and sequences of one of these.
    """

    def __init__(self, name: str, /, **attributes: Any) -> None:
        self._name = name
        self._attributes = attributes
        self._open: list[tuple[Listener, object]] = []

    def __enter__(self) -> Self:
        if _listener is not None:
            key = object()
            self._open.append((_listener, key))
            _listener.began(key, self._name, self._attributes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open:
            listener, key = self._open.pop()
            listener.ended(key, error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, function: F) -> F:
        """Do so at every call of a function. A generator's call does nothing yet: it is left alone, with a log line."""
        # Heavy, and this module comes with every import of jobspan.
        from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

        if isgeneratorfunction(function) or isasyncgenfunction(function):
            _logger.warning(
                "jobspan.command(%r) stands on the generator %s, whose call does nothing yet; it is ignored: "
                "put `with jobspan.command(...)` around the loop that uses it",
                self._name,
                getattr(function, "__qualname__", function),
            )
            return function
        if iscoroutinefunction(function):

            @functools.wraps(function)
            async def run(*args: Any, **kwargs: Any) -> Any:
                with command(self._name, **self._attributes):
                    return await function(*args, **kwargs)
        else:

            @functools.wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                with command(self._name, **self._attributes):
                    return function(*args, **kwargs)

        return run  # type: ignore[return-value]  # same signature as the function


def listen(listener: Listener | None) -> None:
    """Report all commands that begin from now on to a listener; None ends that."""
    global _listener  # noqa: PLW0603 - one a process
    _listener = listener


_listener: Listener | None = None
