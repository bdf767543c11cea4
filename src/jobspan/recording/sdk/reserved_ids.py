"""Span ids that are known before their spans begin: a chord's body carries its members' before they are published.

The API has no way to choose a span's id; the SDK's tracer calls its ``id_generator``. This one returns the promised
id while there is one, in this context only, and else asks the generator behind it, which makes the promised ids too:
``ids.OWN_IDS``, or the user's. Without the SDK nothing can be promised.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from opentelemetry.trace import Tracer

_next: ContextVar[int | None] = ContextVar("jobspan-promised-span-id", default=None)


class _Promising:
    """Wraps a tracer's own generator."""

    def __init__(self, behind: Any) -> None:
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def generate_span_id(self) -> int:
        promised = _next.get()
        return promised if promised is not None else int(self._behind.generate_span_id())

    def generate_trace_id(self) -> int:
        return int(self._behind.generate_trace_id())


def reserve_span_ids(tracer: Tracer, number: int) -> list[int]:
    """Return so many new span ids; none when the tracer is not the SDK's."""
    real: Any = getattr(tracer, "_tracer", tracer)
    if getattr(real, "id_generator", None) is None:
        return []
    if not isinstance(real.id_generator, _Promising):
        real.id_generator = _Promising(real.id_generator)
    return [real.id_generator.generate_span_id() for _ in range(number)]


class use_span_id:  # noqa: N801 - reads as the verb that it is
    """Give the span that begins inside this promised id; None: any id."""

    __slots__ = ("_promised", "_token")

    def __init__(self, promised: int | None) -> None:
        self._promised = promised

    def __enter__(self) -> None:
        self._token = _next.set(self._promised) if self._promised is not None else None

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _next.reset(self._token)
