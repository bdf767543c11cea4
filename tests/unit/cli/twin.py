"""A backend in memory: the ``Backend`` protocol over a list of spans, in the plainest words there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from jobspan import conventions as c
from jobspan.backends.base import CommandSeen, Counts, Match, RunFilter
from jobspan.backends.ids import cut
from jobspan.runs import (
    RUNNING,
    Run,
    Span,
    command_from_span,
    is_command,
    is_publish,
    is_run,
    run_from_span,
)


class Twin:
    """Answers from ``spans``, and ``open_runs`` for what has not ended."""

    def __init__(self, spans: Sequence[Span] = (), open_runs: Sequence[Run] = ()) -> None:
        """Keep spans and open runs."""
        self.spans = list(spans)
        self._runs = [run_from_span(span) for span in spans if is_run(span)] + list(open_runs)
        self.closed = False

    def runs(self, where: RunFilter) -> Sequence[Run]:
        """Return runs, newest first."""
        found = [run for run in self._runs if _matches(run, where)]
        return sorted(found, key=lambda run: -run.start_ns)[: where.limit]

    def counts(self, where: RunFilter) -> Counts:
        """Count runs and jobs."""
        runs = sorted(self.runs(replace(where, limit=None, failed=False, outcomes=())), key=lambda run: run.start_ns)
        jobs = defaultdict[str, list[Run]](list)
        for run in runs:
            jobs[run.job_id or run.span_id].append(run)
        return Counts(
            runs=len(runs),
            jobs=len(jobs),
            failed=sum(any(run.failed for run in tries) for tries in jobs.values()),
            recovered=sum(
                tries[-1].outcome == "succeeded" and any(run.outcome == "retried" for run in tries)
                for tries in jobs.values()
            ),
            by_outcome=Counter(run.outcome or RUNNING for run in runs),
        )

    def commands(self, where: RunFilter) -> Sequence[CommandSeen]:
        """Return commands, newest first."""
        found = dict.fromkeys(
            span.attributes[c.JOBSPAN_COMMAND_ID] for span in self.spans if c.JOBSPAN_COMMAND_ID in span.attributes
        )
        seen = [self._command(str(command_id)) for command_id in found]
        chosen = [command for command in seen if _is_meant(command, where)]
        return sorted(chosen, key=lambda command: -command.start_ns)[: where.limit]

    def _command(self, command_id: str) -> CommandSeen:
        spans = [span for span in self.spans if span.attributes.get(c.JOBSPAN_COMMAND_ID) == command_id]
        own = next((command_from_span(span) for span in spans if is_command(span)), None)
        runs = [run for run in self._runs if run.command_id == command_id]
        open_runs = [run for run in runs if run.end_ns is None]
        publishes = [span for span in spans if is_publish(span) and span.attributes.get(c.JOBSPAN_JOB_ATTEMPT, 1) == 1]
        put = sum(c.ERROR_TYPE not in span.attributes for span in publishes)
        jobs = {run.job_id for run in runs}
        done = {run.job_id for run in runs if run.final}
        return CommandSeen(
            id=command_id,
            name=own.name if own else str(spans[0].attributes.get(c.JOBSPAN_COMMAND_NAME)),
            start_ns=min(span.start_ns for span in spans),
            last_ns=max([*(span.end_ns for span in spans), *(run.start_ns for run in open_runs)]),
            command=own,
            put=max(put, len(jobs), own.published if own else 0),
            not_put=max(len(publishes) - put, own.failed_to_publish if own else 0),
            done=len(done),
            failed=len({run.job_id for run in runs if run.failed}),
            running=len({run.job_id for run in open_runs} - done),
            retries=sum(run.outcome == "retried" for run in runs),
            tells_running=bool(open_runs),
        )

    def find(self, prefix: str) -> Sequence[Match]:
        """Return ids that begin so."""
        found = [match for match in self._matches() if match.id and match.id.startswith(prefix)]
        return list(dict.fromkeys(found))[:20]

    def _matches(self) -> list[Match]:
        found = [Match("command", span.attributes.get(c.JOBSPAN_COMMAND_ID, "")) for span in self.spans]
        found += [Match("job", span.attributes.get(c.MESSAGING_MESSAGE_ID, "")) for span in self.spans]
        found += [Match("job", run.job_id or "") for run in self._runs]
        found += [Match("trace", span.trace_id) for span in self.spans]
        return found

    def shorten(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the shortest beginnings that no other id has."""
        known = {match.id for match in self._matches()}
        return {full: cut(full, [other for other in known if other != full]) for full in ids}

    def story(self, match: Match) -> Sequence[Span]:
        """Return the spans of a command, a job or a trace."""
        attribute = {"command": c.JOBSPAN_COMMAND_ID, "job": c.MESSAGING_MESSAGE_ID}.get(match.kind)
        if attribute is None:
            return [span for span in self.spans if span.trace_id == match.id]
        return [span for span in self.spans if span.attributes.get(attribute) == match.id]

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


def _is_meant(command: CommandSeen, where: RunFilter) -> bool:
    named = any(fnmatchcase(command.name or "", text) or command.id.startswith(text.lower()) for text in where.commands)
    until_ns = where.until_ns if where.until_ns is not None else 2**63
    return (named or not where.commands) and (where.since_ns or 0) <= command.start_ns < until_ns


def _matches(run: Run, where: RunFilter) -> bool:
    return all(
        (
            where.since_ns is None or run.start_ns >= where.since_ns,
            where.until_ns is None or run.start_ns < where.until_ns,
            _one_of(run.job_name, where.jobs),
            _one_of(run.queue, where.queues),
            _one_of(run.command_name, where.commands)
            or any((run.command_id or "").startswith(prefix) for prefix in where.commands),
            _one_of(run.framework, where.frameworks),
            _one_of(run.outcome or RUNNING, where.outcomes),
            run.failed or not where.failed,
        )
    )


def _one_of(value: str | None, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(value or "", pattern) for pattern in patterns)
