"""A backend that keeps traces and nothing more, asked for jobs and commands.

It can be searched for traces that have a span with certain attributes. What it cannot do is done here: filters that
it does not know, counts, and which spans of a trace belong to a job. It knows of no work in flight.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from string import hexdigits
from typing import Protocol

from jobspan import conventions as c
from jobspan.backends.base import CommandSeen, Counts, Match, RunFilter
from jobspan.backends.ids import SHORTEST, cut
from jobspan.backends.trace_search import membership
from jobspan.backends.trace_search.counting import command_seen, count
from jobspan.backends.trace_search.filters import admits, is_attempt_of, is_of_command, within
from jobspan.backends.trace_search.paging import Page, Window, newest_first
from jobspan.backends.trace_search.search_terms import (
    OF_JOBS_AND_COMMANDS,
    Prefix,
    Terms,
    id_of_command,
    terms_for_commands,
    terms_for_runs,
)
from jobspan.runs import Run, Span, is_command, is_run, run_from_span

LOOKBACK_S = 30 * 86_400
"""What has no time of its own, an id for example, is looked for so far back."""

_DAY_S = 86_400
_MATCHES = 20
_AT_ONCE = 4
_SHORT_ID = 8
_TRACE_DIGITS = 32


class TraceSource(Protocol):
    """What is asked of such a backend.

    Attributes:
        finds_beginnings: ``search`` understands ``Prefix``.
        grain_us: it cannot be asked for less time.
    """

    finds_prefixes: bool
    grain_us: int

    @property
    def spans_are_whole(self) -> bool:
        """``search`` returns spans as they were sent; else only ``trace`` has all of a span."""
        ...

    def search(self, terms: Sequence[Terms], window: Window) -> Page:
        """Return, of all traces with a span in the window that has all attributes of one of ``terms``, such spans.

        Others may be among them. The attributes that filters and counts need are there.
        """
        ...

    def trace(self, trace_id: str) -> Sequence[Span]:
        """Return a trace's spans; none for one that is not there."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class TraceBackend:
    """Answers every question of the ``Backend`` protocol out of traces."""

    def __init__(self, source: TraceSource) -> None:
        self._source = source

    def runs(self, where: RunFilter) -> Sequence[Run]:
        """Return the runs that match, newest start first; none in flight."""
        found: list[Span] = []
        for spans in self._spans(terms_for_runs(where), where):
            found += [span for span in spans if is_run(span) and admits(run_from_span(span), where)]
            if where.limit is not None and len(found) >= where.limit:
                break
        newest = self._whole(sorted(found, key=_start_ns, reverse=True)[: where.limit])
        return [run_from_span(span) for span in sorted(newest, key=_start_ns, reverse=True)]

    def counts(self, where: RunFilter) -> Counts:
        """Count over all that match."""
        every = RunFilter(where.since_ns, where.until_ns, where.jobs, where.queues, where.commands, where.frameworks)
        spans = (span for part in self._spans(terms_for_runs(every), every) for span in part if is_run(span))
        return count(run for run in map(run_from_span, spans) if is_attempt_of(run, every))

    def commands(self, where: RunFilter) -> Sequence[CommandSeen]:
        """Return the commands that match, newest first, with what became of their jobs."""
        seen: list[CommandSeen] = []
        for command_id, sighted_ns in self._sighted(where):
            # No command begins later than it was sighted.
            if where.limit is not None and sum(known.start_ns >= sighted_ns for known in seen) >= where.limit:
                break
            known = self._command(command_id)
            if known and within(known.start_ns, where) and is_of_command(known.id, known.name, where.commands):
                seen.append(known)
        return sorted(seen, key=lambda known: (-known.start_ns, known.id))[: where.limit]

    def find(self, prefix: str) -> Sequence[Match]:
        """Return commands, jobs and traces with this id, else those of the last day whose id begins so; at most 20."""
        is_trace = len(prefix) == _TRACE_DIGITS and _is_hex(prefix)
        traces = [Match("trace", prefix.lower())] if is_trace and self._source.trace(prefix.lower()) else []
        whole = [id_of_command(prefix.lower()), {c.MESSAGING_MESSAGE_ID: prefix}]
        found = [match for match in self._matches(whole, prefix, LOOKBACK_S) if match.id in (prefix, prefix.lower())]
        if found or traces or len(prefix) < SHORTEST:
            return [*(match for match in found if match not in traces), *traces]
        if self._source.finds_prefixes:
            begins = [id_of_command(Prefix(prefix.lower())), {c.MESSAGING_MESSAGE_ID: Prefix(prefix)}]
            return self._matches(begins, prefix, LOOKBACK_S)
        return self._matches(OF_JOBS_AND_COMMANDS, prefix, _DAY_S)

    def shorten(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return each id cut to eight characters, or more where two begin alike; whole where only such are found."""
        if not self._source.finds_prefixes:
            return {full: full for full in ids}
        return {full: full if _is_trace(full) else cut(full, _others(full, ids), _SHORT_ID) for full in ids}

    def story(self, match: Match) -> Sequence[Span]:
        """Return all spans that belong to a command, a job or a trace, ordered by start."""
        if match.kind == "trace":
            return membership.in_order(self._source.trace(match.id))
        is_command_id = match.kind == "command"
        terms = id_of_command(match.id) if is_command_id else {c.MESSAGING_MESSAGE_ID: match.id}
        traces = {span.trace_id for part in self._spans([terms], RunFilter()) for span in part}
        spans = [span for trace in self._traces(traces) for span in trace]
        belongs = membership.of_command if is_command_id else membership.of_job
        return membership.in_order(belongs(match.id, spans))

    def close(self) -> None:
        """Close the connection."""
        self._source.close()

    def _spans(self, terms: Sequence[Terms], where: RunFilter, lookback_s: int = LOOKBACK_S) -> Iterator[list[Span]]:
        if not terms:
            return iter(())
        now_us = time.time_ns() // 1000
        first = now_us - lookback_s * 10**6 if where.since_ns is None else where.since_ns // 1000
        last = now_us + _DAY_S * 10**6  # a sender's clock may be ahead
        last = last if where.until_ns is None else min(last, where.until_ns // 1000)
        parts = newest_first(
            lambda window: self._source.search(terms, window),
            Window(first, max(first, last)),
            grain_us=self._source.grain_us,
        )
        return (self._sharp(part, {first, last}) for part in parts)

    def _sharp(self, spans: Sequence[Span], edges_us: set[int]) -> list[Span]:
        """Make those spans whole that begin within the same microsecond as the time asked for begins or ends."""
        at_edge = [span for span in spans if span.start_ns // 1000 in edges_us]
        return [*(span for span in spans if span.start_ns // 1000 not in edges_us), *self._whole(at_edge)]

    def _whole(self, spans: Sequence[Span]) -> list[Span]:
        if not spans or self._source.spans_are_whole:
            return list(spans)
        traces = self._traces({span.trace_id for span in spans})
        whole = {(span.trace_id, span.span_id): span for trace in traces for span in trace}
        return [whole.get((span.trace_id, span.span_id), span) for span in spans]

    def _traces(self, ids: Iterable[str]) -> list[Sequence[Span]]:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            return list(threads.map(self._source.trace, sorted(ids)))

    def _sighted(self, where: RunFilter) -> list[tuple[str, int]]:
        """Return the commands that may be meant, and when something of them was seen first; newest first."""
        first_ns: dict[str, int] = {}
        for spans in self._spans(terms_for_commands(where.commands), where):
            for span in spans:
                command_id = span.attributes.get(c.JOBSPAN_COMMAND_ID)
                if command_id and is_of_command(
                    command_id, span.attributes.get(c.JOBSPAN_COMMAND_NAME), where.commands
                ):
                    first_ns[command_id] = min(first_ns.get(command_id, span.start_ns), span.start_ns)
        return sorted(first_ns.items(), key=lambda item: -item[1])

    def _command(self, command_id: str) -> CommandSeen | None:
        found = [span for part in self._spans([id_of_command(command_id)], RunFilter()) for span in part]
        spans = [span for span in found if span.attributes.get(c.JOBSPAN_COMMAND_ID) == command_id]
        if not spans:
            return None
        # Its own span, and when it began and was last seen.
        telling = [*filter(is_command, spans), min(spans, key=_start_ns), max(spans, key=_end_ns)]
        return command_seen(command_id, membership.in_order([*spans, *self._whole(telling)]))

    def _matches(self, terms: Sequence[Terms], prefix: str, lookback_s: int) -> list[Match]:
        found: dict[str, dict[Match, None]] = defaultdict(dict)
        for spans in self._spans(terms, RunFilter(), lookback_s):
            for match in (match for span in spans for match in _ids_of(span)):
                if match.id.startswith(prefix.lower() if match.kind != "job" else prefix):
                    found[match.kind][match] = None
        return [match for kind in ("command", "job", "trace") for match in sorted(found[kind], key=_id)][:_MATCHES]


def _ids_of(span: Span) -> Iterator[Match]:
    command_id, job_id = span.attributes.get(c.JOBSPAN_COMMAND_ID), span.attributes.get(c.MESSAGING_MESSAGE_ID)
    if command_id:
        yield Match("command", command_id)
    if job_id and c.JOBSPAN_FRAMEWORK in span.attributes:
        yield Match("job", job_id)
    yield Match("trace", span.trace_id)


def _start_ns(span: Span) -> int:
    return span.start_ns


def _end_ns(span: Span) -> int:
    return span.end_ns


def _id(match: Match) -> str:
    return match.id


def _is_hex(text: str) -> bool:
    return all(digit in hexdigits for digit in text)


def _is_trace(full: str) -> bool:
    return len(full) == _TRACE_DIGITS and _is_hex(full)


def _others(full: str, ids: Sequence[str]) -> list[str]:
    return [other for other in ids if other != full]
