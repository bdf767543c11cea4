"""What is current around a run or a publish, for hooks that know no OpenTelemetry."""

from __future__ import annotations

from opentelemetry.context import Context, attach, get_current

Around = Context


def around() -> Around:
    """Return what is current."""
    return get_current()


def go_back_to(before: Around) -> None:
    """Make current again what was so before."""
    if get_current() is not before:
        attach(before)
