"""A ``jobspan serve``, asked over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from jobspan.backends import wire
from jobspan.backends.base import CommandSeen, Counts, Match, RunFilter
from jobspan.errors import BackendError, UsageError
from jobspan.runs import Run, Span

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ANSWER_S = 30
_HELLO_S = 2


class RemoteBackend:
    """Answers what a server answers, as equal values.

    Args:
        url: where it listens for HTTP, e.g. ``http://127.0.0.1:4318``.

    Raises:
        UsageError: the text is no such address.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._opener = _opener(self._url)

    def runs(self, where: RunFilter) -> Sequence[Run]:
        """Return the runs that match, newest start first, runs in flight among them."""
        return [wire.run_from_json(run) for run in self._ask("runs", wire.filter_to_query(where))]

    def counts(self, where: RunFilter) -> Counts:
        """Count over all that match."""
        return wire.counts_from_json(self._ask("counts", wire.filter_to_query(where)))

    def commands(self, where: RunFilter) -> Sequence[CommandSeen]:
        """Return the commands that match, newest first, with what became of their jobs."""
        return [wire.command_from_json(command) for command in self._ask("commands", wire.filter_to_query(where))]

    def find(self, prefix: str) -> Sequence[Match]:
        """Return commands, jobs and traces whose id begins with ``prefix``; at most 20."""
        return [wire.match_from_json(match) for match in self._ask("find", [("prefix", prefix)])]

    def shorten(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return the shortest beginning of each id that names it."""
        return dict(self._ask("shorten", [], ids=list(ids)))

    def story(self, match: Match) -> Sequence[Span]:
        """Return all spans that belong to a command, a job or a trace, ordered by start."""
        spans = self._ask("story", [("kind", match.kind), ("id", match.id)])
        return [wire.span_from_json(span) for span in spans]

    def dropped(self) -> Mapping[str, int]:
        """Return what senders could not record in the last hour, by reason."""
        said = self._ask("stats", []).get("telemetry_dropped")
        return {str(reason): int(count) for reason, count in said.items()} if isinstance(said, dict) else {}

    def holds(self, store: Path) -> bool:
        """Say whether the server answers, and for this store: another one may have got a stale address's port."""
        try:
            return bool(self._ask("stats", [], timeout_s=_HELLO_S)["store"] == str(store.resolve()))
        except (BackendError, KeyError, TypeError):
            return False

    def close(self) -> None:
        """Let go of the connection."""
        self._opener.close()

    def _ask(
        self, question: str, query: wire.Query, *, ids: list[str] | None = None, timeout_s: float = _ANSWER_S
    ) -> Any:
        asked = f"{self._url}{wire.API}/{question}" + (f"?{urlencode(query)}" if query else "")
        body = None if ids is None else json.dumps(ids).encode()
        request = Request(asked, body, {"Content-Type": "application/json"} if body else {})  # noqa: S310  checked
        try:
            status, said = self._answered(request, timeout_s)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise BackendError(f"no jobspan server answers at {self._url}: {type(reason).__name__} {reason}") from error
        try:
            answer = json.loads(said)
        except ValueError as error:
            raise BackendError(f"{self._url} answered {status}, not in JSON: no jobspan server") from error
        if status != HTTPStatus.OK:
            raise BackendError(f"{self._url} answered {status}: {_reason(answer)}")
        return answer

    def _answered(self, request: Request, timeout_s: float) -> tuple[int, bytes]:
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                return answer.status, answer.read()
        except HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()


def _opener(url: str) -> OpenerDirector:
    """Return what asks, without httpx: to import that and to make its client takes longer than most answers."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or True)
    except ValueError:
        is_address = False
    if not is_address:
        raise UsageError(f"{url!r} is no address of a jobspan server; expected http://host:port")
    # A proxy of the environment is not asked for this machine's own addresses.
    return build_opener(ProxyHandler({} if parts.hostname in _LOOPBACK else None))


def _reason(said: Any) -> str:
    return str(said.get("error", said)) if isinstance(said, dict) else str(said)
