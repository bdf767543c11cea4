"""Compares whole spans: expected ones may hold placeholders where the value cannot be known beforehand.

``assert_spans(actual, [expected_span("run ok", "consumer", id="run", parent="publish", attributes={...}), ...])``.
Ids are told by name: the same name is the same id everywhere, different names are different ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from jobspan.runs import Link, Span, SpanEvent


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Equals every value that ``fits``."""

    name: str
    fits: Callable[[Any], bool]

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Id:
    """An id known by name only."""

    name: str

    def __repr__(self) -> str:
        return f"<id {self.name}>"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


ANY: Any = Placeholder("ANY", lambda _: True)
ANY_INT: Any = Placeholder("ANY_INT", lambda value: type(value) is int)
ANY_POSITIVE: Any = Placeholder("ANY_POSITIVE", lambda value: _number(value) and value > 0)
ANY_NOT_NEGATIVE: Any = Placeholder("ANY_NOT_NEGATIVE", lambda value: _number(value) and value >= 0)
ANY_TEXT: Any = Placeholder("ANY_TEXT", lambda value: isinstance(value, str) and value != "")


def containing(*parts: str) -> Any:
    """Return a placeholder for a text that has all parts, in this order."""

    def fits(value: Any) -> bool:
        at = 0
        for part in parts:
            at = value.find(part, at) if isinstance(value, str) and at >= 0 else -1
        return at >= 0

    return Placeholder(f"containing{parts}", fits)


def between(least: float, most: float) -> Any:
    """Return a placeholder for a number within these bounds."""
    return Placeholder(f"between({least}, {most})", lambda value: _number(value) and least <= value <= most)


def optional(value: Any) -> Any:
    """As an attribute's value: may be absent; where it is there, it is this."""
    return _Optional(value)


@dataclass(frozen=True, slots=True)
class _Optional:
    value: Any


def expected_span(
    name: str,
    kind: str,
    *,
    id: str,  # noqa: A002 - the word that OpenTelemetry uses
    trace: str = "trace",
    parent: str | None = None,
    attributes: Mapping[str, Any],
    status: str = "unset",
    status_message: Any = "",
    links: Sequence[Link] = (),
    events: Sequence[SpanEvent] = (),
    resource: Any = ANY,
    scope: Any = "jobspan",
) -> Span:
    """Build an expected span; times may be any, ids are names."""
    return Span(
        trace_id=Id(trace),  # type: ignore[arg-type]  # a name in the place of an id
        span_id=Id(id),  # type: ignore[arg-type]  # a name in the place of an id
        parent_id=parent and Id(parent),  # type: ignore[arg-type]  # a name in the place of an id
        name=name,
        kind=kind,
        start_ns=ANY_POSITIVE,
        end_ns=ANY_POSITIVE,
        status=status,
        status_message=status_message,
        attributes=attributes,
        links=tuple(links),
        events=tuple(events),
        resource=resource,
        scope=scope,
    )


def expected_link(kind: str, to: str, *, trace: str = "trace", **attributes: Any) -> Link:
    """Build an expected link of this ``jobspan.link.type``."""
    return Link(Id(trace), Id(to), {"jobspan.link.type": kind, **attributes})  # type: ignore[arg-type]  # names


def expected_exception(type: str, message: Any, stacktrace: Any = ANY_TEXT, **more: Any) -> SpanEvent:  # noqa: A002 - its name
    """Build an expected exception event."""
    attributes = {"exception.type": type, "exception.message": message, "exception.stacktrace": stacktrace, **more}
    return SpanEvent("exception", ANY_POSITIVE, attributes)


def assert_spans(actual: Iterable[Span], expected: Iterable[Span]) -> None:
    """Fail unless the spans are the expected ones, one-to-one in any order, down to the last attribute."""
    actual, expected = tuple(actual), tuple(expected)
    if _assigned(actual, expected, {}) is None:
        raise AssertionError("\n".join(_explained(actual, expected)))


def differences(actual: Span, expected: Span, names: dict[str, str] | None = None) -> tuple[str, ...]:
    """Return one line for each field that differs. ``names``: ids by name as found so far; it is filled."""
    names = {} if names is None else names
    return tuple(
        line
        for field in fields(Span)
        for line in _diff(field.name, getattr(actual, field.name), getattr(expected, field.name), names)
    )


def _assigned(actual: Sequence[Span], expected: Sequence[Span], names: dict[str, str]) -> dict[str, str] | None:
    """Try every pairing that keeps ids consistent; return the ids by name of the first that works."""
    if not expected or not actual:
        return names if len(actual) == len(expected) else None
    first, rest = expected[0], expected[1:]
    for number, span in enumerate(actual):
        tried = dict(names)
        if span.name == first.name and not differences(span, first, tried):
            found = _assigned((*actual[:number], *actual[number + 1 :]), rest, tried)
            if found is not None:
                return found
    return None


def _explained(actual: Sequence[Span], expected: Sequence[Span]) -> Iterator[str]:
    """Pair each expected span with the nearest one of its name that is left, and show what differs."""
    yield f"{len(actual)} spans, expected {len(expected)}"
    left, names = list(actual), dict[str, str]()
    for wanted in expected:
        alike = [span for span in left if span.name == wanted.name]
        nearest = _nearest(alike, wanted, names)
        if nearest is None:
            yield f"{wanted.name}: missing"
            continue
        left.remove(nearest)
        lines = differences(nearest, wanted, names)
        yield f"{wanted.name}: " + ("as expected" if not lines else "")
        yield from (f"    {line}" for line in lines)
    yield from (f"{span.name}: not expected, attributes {dict(span.attributes)}" for span in left)


def _nearest(spans: Sequence[Span], wanted: Span, names: dict[str, str]) -> Span | None:
    return min(spans, key=lambda span: len(differences(span, wanted, dict(names))), default=None)


def _diff(path: str, actual: Any, expected: Any, names: dict[str, str]) -> Iterator[str]:
    if isinstance(expected, Placeholder):
        if not expected.fits(actual):
            yield f"{path}: {actual!r}, expected {expected!r}"
    elif isinstance(expected, Id):
        yield from _diff_id(path, actual, expected, names)
    elif isinstance(expected, Mapping):
        yield from _diff_mapping(path, actual, expected, names)
    elif isinstance(expected, tuple):
        yield from _diff_tuple(path, actual, expected, names)
    elif isinstance(expected, (Link, SpanEvent)):
        for field in fields(expected):
            yield from _diff(f"{path}.{field.name}", getattr(actual, field.name), getattr(expected, field.name), names)
    elif type(actual) is not type(expected) or actual != expected:
        yield f"{path}: {actual!r}, expected {expected!r}"


def _diff_id(path: str, actual: Any, expected: Id, names: dict[str, str]) -> Iterator[str]:
    known = names.get(expected.name)
    taken_by = next((name for name, value in names.items() if value == actual), None)
    if not isinstance(actual, str):
        yield f"{path}: {actual!r}, expected {expected!r}"
    elif known is None and taken_by is None:
        names[expected.name] = actual
    elif known != actual:
        yield f"{path}: {Id(taken_by) if taken_by else actual!r}, expected {expected!r}"


def _diff_mapping(path: str, actual: Any, expected: Mapping[str, Any], names: dict[str, str]) -> Iterator[str]:
    for key, wanted in expected.items():
        if key in actual:
            yield from _diff(f"{path}[{key}]", actual[key], wanted.value if _is_optional(wanted) else wanted, names)
        elif not _is_optional(wanted):
            yield f"{path}[{key}]: absent, expected {wanted!r}"
    yield from (f"{path}[{key}]: {actual[key]!r}, not expected" for key in actual if key not in expected)


def _diff_tuple(path: str, actual: Any, expected: tuple[Any, ...], names: dict[str, str]) -> Iterator[str]:
    if not isinstance(actual, tuple) or len(actual) != len(expected):
        yield f"{path}: {actual!r}, expected {expected!r}"
        return
    for number, (item, wanted) in enumerate(zip(actual, expected, strict=True)):
        yield from _diff(f"{path}[{number}]", item, wanted, names)


def _is_optional(value: Any) -> bool:
    return isinstance(value, _Optional)
