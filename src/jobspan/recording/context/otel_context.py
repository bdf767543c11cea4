"""Contexts around spans, made in one step: the API copies a context twice for each value that is set in it."""

from __future__ import annotations

from opentelemetry.context import Context, attach, get_current
from opentelemetry.trace import INVALID_SPAN, Span, set_span_in_context

Around = Context
"""What is current around a run or a publish, for hooks that know no OpenTelemetry."""

_SPAN = next(iter(set_span_in_context(INVALID_SPAN, Context())))


def span_in(context: Context) -> Span:
    """Return the span that is current in a context, one that is not valid where there is none."""
    span = context.get(_SPAN)
    return span if isinstance(span, Span) else INVALID_SPAN


def inside(span: Span, around: Context) -> Context:
    """Return the context in which a span is current, and all else is as around it."""
    return Context({**around, _SPAN: span})


def inside_with(span: Span, around: Context, key: str, value: object) -> Context:
    """Return the same with a value of jobspan's."""
    return Context({**around, _SPAN: span, key: value})


def with_value(around: Context, key: str, value: object) -> Context:
    """Return a context with a value of jobspan's, in which all else is as around it."""
    return Context({**around, key: value})


def around() -> Context:
    """Return what is current."""
    return get_current()


def go_back_to(before: Context) -> None:
    """Make current again what was so before."""
    if get_current() is not before:
        attach(before)
