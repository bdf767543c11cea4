"""Runs, counts, matches and spans as JSON between ``jobspan serve`` and who asks it, without losing a type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from jobspan.backends.base import CommandSeen, Counts, Match, RunFilter
from jobspan.backends.values import attributes_from_json, attributes_to_json, to_json
from jobspan.runs import Command, Failure, Link, Run, Span, SpanEvent

API = "/api/v1"

Query = list[tuple[str, str]]
"""Parameters of a query string."""

_LISTS = ("jobs", "queues", "commands", "frameworks", "outcomes")
_NUMBERS = ("since_ns", "until_ns", "limit")
_LARGEST = 2**63 - 1


def filter_to_query(where: RunFilter) -> Query:
    """Return a filter as the parameters of a query string; those that mean "any" are left out."""
    lists: Query = [(name, value) for name in _LISTS for value in getattr(where, name)]
    numbers: Query = [(name, str(getattr(where, name))) for name in _NUMBERS if getattr(where, name) is not None]
    failed: Query = [("failed", "true")] if where.failed else []
    return [*lists, *numbers, *failed]


def filter_from_query(query: Sequence[tuple[str, str]]) -> RunFilter:
    """Reverse ``filter_to_query``.

    Raises:
        ValueError: an unknown parameter, or a value that is no whole number of the store's range where one is expected.
    """
    given: dict[str, Any] = {}
    for name, value in query:
        if name in _LISTS:
            given[name] = (*given.get(name, ()), value)
        elif name in _NUMBERS:
            given[name] = _number(name, value)
        elif name == "failed":
            given[name] = value == "true"
        else:
            raise ValueError(f"unknown parameter {name}; expected one of {', '.join((*_LISTS, *_NUMBERS, 'failed'))}")
    return RunFilter(**given)


def run_to_json(run: Run) -> dict[str, Any]:
    """Return a run as JSON values."""
    content = {each.name: getattr(run, each.name) for each in fields(run) if each.name not in ("failure", "links")}
    failure = None if run.failure is None else _plain(run.failure)
    return attributes_to_json(content) | {"failure": failure, "links": [_link_to_json(link) for link in run.links]}


def run_from_json(content: Mapping[str, Any]) -> Run:
    """Reverse ``run_to_json``."""
    failure = content["failure"] and Failure(**attributes_from_json(content["failure"]))
    links = tuple(_link_from_json(link) for link in content["links"])
    return Run(**attributes_from_json(content) | {"failure": failure, "links": links})


def span_to_json(span: Span) -> dict[str, Any]:
    """Return a span as JSON values."""
    return _plain(span) | {
        "attributes": attributes_to_json(span.attributes),
        "links": [_link_to_json(link) for link in span.links],
        "events": [[event.name, event.time_ns, attributes_to_json(event.attributes)] for event in span.events],
        "resource": attributes_to_json(span.resource),
    }


def span_from_json(content: Mapping[str, Any]) -> Span:
    """Reverse ``span_to_json``."""
    nested = {
        "attributes": attributes_from_json(content["attributes"]),
        "links": tuple(_link_from_json(link) for link in content["links"]),
        "events": tuple(SpanEvent(name, at, attributes_from_json(rest)) for name, at, rest in content["events"]),
        "resource": attributes_from_json(content["resource"]),
    }
    return Span(**{**content, **nested})


def counts_to_json(counts: Counts) -> dict[str, Any]:
    """Return counts as JSON values."""
    return _plain(counts)


def counts_from_json(content: Mapping[str, Any]) -> Counts:
    """Reverse ``counts_to_json``."""
    return Counts(**content)


def command_to_json(seen: CommandSeen) -> dict[str, Any]:
    """Return a command and its counts as JSON values."""
    content = {each.name: getattr(seen, each.name) for each in fields(seen) if each.name != "command"}
    own = seen.command
    if own is None:
        return content | {"command": None}
    plain = {each.name: getattr(own, each.name) for each in fields(own) if each.name != "failure"}
    return content | {"command": plain | {"failure": None if own.failure is None else _plain(own.failure)}}


def command_from_json(content: Mapping[str, Any]) -> CommandSeen:
    """Reverse ``command_to_json``."""
    own = content["command"]
    if own is None:
        return CommandSeen(**content)
    failure = own["failure"] and Failure(**attributes_from_json(own["failure"]))
    return CommandSeen(**{**content, "command": Command(**{**own, "failure": failure})})


def match_to_json(match: Match) -> dict[str, Any]:
    """Return a match as JSON values."""
    return _plain(match)


def match_from_json(content: Mapping[str, Any]) -> Match:
    """Reverse ``match_to_json``."""
    return Match(**content)


def _number(name: str, text: str) -> int:
    number = int(text)
    if not -_LARGEST <= number <= _LARGEST or (name == "limit" and number < 0):
        raise ValueError(f"{name} {text} is out of range")
    return number


def _plain(value: Any) -> dict[str, Any]:
    return {each.name: to_json(getattr(value, each.name)) for each in fields(value) if each.name not in _NESTED}


_NESTED = ("attributes", "links", "events", "resource")


def _link_to_json(link: Link) -> list[Any]:
    return [link.trace_id, link.span_id, attributes_to_json(link.attributes)]


def _link_from_json(content: Sequence[Any]) -> Link:
    trace_id, span_id, attributes = content
    return Link(trace_id, span_id, attributes_from_json(attributes))
