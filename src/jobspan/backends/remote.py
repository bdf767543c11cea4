"""A ``jobspan serve``, asked over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jobspan.backends import json_codec
from jobspan.backends.base import CommandSeen, Counts, Match, RunFilter
from jobspan.backends.http import Asker, Read
from jobspan.errors import BackendError
from jobspan.runs import Run, Span

_HELLO_S = 2


class RemoteBackend:
    """Answers what a server answers, as equal values.

    Args:
        url: where it listens for HTTP, e.g. ``http://127.0.0.1:4318``.

    Raises:
        UsageError: the text is no such address.
    """

    def __init__(self, url: str) -> None:
        self._asker = Asker(url, "jobspan server", "http://host:port, jaeger=URL or tempo=URL")

    def runs(self, where: RunFilter) -> Sequence[Run]:
        """Return the runs that match, newest start first, runs in flight among them."""
        return self._ask(_each(json_codec.run_from_json), "runs", json_codec.filter_to_query(where))

    def counts(self, where: RunFilter) -> Counts:
        """Count over all that match."""
        return self._ask(json_codec.counts_from_json, "counts", json_codec.filter_to_query(where))

    def commands(self, where: RunFilter) -> Sequence[CommandSeen]:
        """Return the commands that match, newest first, with what became of their jobs."""
        return self._ask(_each(json_codec.command_from_json), "commands", json_codec.filter_to_query(where))

    def find(self, prefix: str) -> Sequence[Match]:
        """Return commands, jobs and traces whose id begins with ``prefix``; at most 20."""
        return self._ask(_each(json_codec.match_from_json), "find", [("prefix", prefix)])

    def shorten(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the shortest beginning of each id that names it."""
        return self._asker.read(dict, self._asker.post(f"{json_codec.API}/shorten", list(ids)))

    def story(self, match: Match) -> Sequence[Span]:
        """Return all spans that belong to a command, a job or a trace, ordered by start."""
        return self._ask(_each(json_codec.span_from_json), "story", [("kind", match.kind), ("id", match.id)])

    def dropped(self) -> Mapping[str, int]:
        """Return what senders could not record in the last hour, by reason."""
        content = self._ask(lambda stats: stats.get("telemetry_dropped"), "stats", [])
        return {str(reason): int(count) for reason, count in content.items()} if isinstance(content, dict) else {}

    def holds(self, store: Path) -> bool:
        """Say whether the server answers, and for this store: another one may have got a stale address's port."""
        try:
            named = self._ask(lambda stats: stats["store"], "stats", [], timeout_s=_HELLO_S)
        except BackendError:
            return False
        return bool(named == str(store.resolve()))

    def close(self) -> None:
        """Close the connection."""
        self._asker.close()

    def _ask(self, reader: Callable[[Any], Read], question: str, query: json_codec.Query, **how: float | None) -> Read:
        return self._asker.read(reader, self._asker.get(f"{json_codec.API}/{question}", query, **how))


def _each(reader: Callable[[Any], Read]) -> Callable[[Any], list[Read]]:
    return lambda content: [reader(one) for one in content]
