"""The keys of ``--json``, each with its type and meaning: they are a promise, and exist here only.

Ids are whole, times are ISO 8601 in UTC (``start``) and exact Unix nanoseconds (``start_unix_nano``), durations
seconds, memory bytes. A key is always there; null: not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jobspan.analysis.command import CommandStory
from jobspan.cli.terminal.times import iso
from jobspan.jobs import Framework
from jobspan.runs import RUNNING, Link, Run, Span


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the JSON type of its value, what it means, and how it is read from the thing."""

    type: str
    meaning: str
    read: Callable[[Any], object]


Keys = Mapping[str, Key]


def row(keys: Keys, thing: object) -> dict[str, object]:
    """Return the JSON object of ``thing``, keys in their documented order."""
    return {name: key.read(thing) for name, key in keys.items()}


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else iso(at_ns)


def _sorted(mapping: Mapping[str, object]) -> dict[str, object]:
    return dict(sorted(mapping.items()))


def _attribute(name: str, type_: str, meaning: str) -> Key:
    return Key(type_, meaning, lambda thing: getattr(thing, name))


def rows(keys: Keys, things: Iterable[object]) -> list[dict[str, object]]:
    """Return the JSON objects of ``things``."""
    return [row(keys, thing) for thing in things]


_TIMES: Keys = MappingProxyType(
    {
        "start": Key("string", "when it began", lambda thing: iso(thing.start_ns)),
        "start_unix_nano": _attribute("start_ns", "integer", "the same, exact"),
        "end": Key("string", "when it ended; null: it has not, as far as is known", lambda thing: _iso(thing.end_ns)),
        "end_unix_nano": _attribute("end_ns", "integer", "the same, exact"),
        "duration_s": _attribute("duration_s", "number", "end minus start"),
    }
)

_FAILURE: Keys = MappingProxyType(
    {
        "error_type": _attribute("error_type", "string", "error.type of the span"),
        "exception_type": Key("string", "class", lambda thing: thing.failure and thing.failure.type),
        "exception_message": Key("string", "message", lambda thing: thing.failure and thing.failure.message),
        "exception_stacktrace": Key("string", "stack", lambda thing: thing.failure and thing.failure.stacktrace),
    }
)

_PLACE: Keys = MappingProxyType(
    {
        "trace_id": _attribute("trace_id", "string", "32 hex digits"),
        "span_id": _attribute("span_id", "string", "16 hex digits"),
        "parent_span_id": _attribute("parent_id", "string", "the span above; null at a root"),
    }
)

_JOB: Keys = MappingProxyType(
    {
        "job_id": _attribute("job_id", "string", "Celery task id, Dramatiq message id"),
        "job_name": _attribute("job_name", "string", "task name, actor name"),
        "framework": _attribute("framework", "string", " or ".join(framework.value for framework in Framework)),
        "queue": _attribute("queue", "string", "queue when known, else the routing key"),
        "command_id": _attribute("command_id", "string", "the command at the root"),
        "command_name": _attribute("command_name", "string", "its name"),
    }
)

LINK_KEYS: Keys = MappingProxyType(
    {
        "type": _attribute("type", "string", "publish, previous_attempt, …; null: not written by jobspan"),
        "trace_id": _attribute("trace_id", "string", "trace of the span that it leads to"),
        "span_id": _attribute("span_id", "string", "that span"),
    }
)


def _links(thing: Run | Span) -> list[dict[str, object]]:
    links: Iterable[Link] = thing.links
    return rows(LINK_KEYS, links)


RUN_KEYS: Keys = MappingProxyType(
    {
        **_JOB,
        "parent_job_id": _attribute("parent_job_id", "string", "the job that published this one"),
        "attempt": _attribute("attempt", "integer", "1 for the first run"),
        "max_attempts": _attribute("max_attempts", "integer", "null when unlimited"),
        "outcome": Key("string", "how it ended, or running", lambda run: run.outcome or RUNNING),
        "final": _attribute("final", "boolean", "no further attempt follows"),
        "failed": _attribute("failed", "boolean", "the run has failed: final, with a failing outcome"),
        **_TIMES,
        "waited_s": _attribute("waited_s", "number", "queued plus prefetched"),
        "wait_scheduled_s": _attribute("wait_scheduled_s", "number", "asked-for delay"),
        "wait_queued_s": _attribute("wait_queued_s", "number", "in the broker, after the scheduled time"),
        "wait_prefetched_s": _attribute("wait_prefetched_s", "number", "in the worker before it began"),
        "cpu_s": _attribute("cpu_s", "number", "CPU time"),
        "memory_start_bytes": _attribute("memory_start_bytes", "integer", "resident when it began"),
        "memory_end_bytes": _attribute("memory_end_bytes", "integer", "resident when it ended"),
        "memory_peak_bytes": _attribute("memory_peak_bytes", "integer", "highest resident during the run"),
        "memory_source": _attribute("memory_source", "string", "exact, sampled or process (no peak)"),
        "concurrency": _attribute("concurrency", "integer", "most runs open in its process meanwhile, 1: alone"),
        "redelivered": _attribute("redelivered", "boolean", "the broker gave it out before and saw no end"),
        **_FAILURE,
        "lost_reason": _attribute("lost_reason", "string", "signal, oom, exit or host; null when not lost"),
        "exit_code": _attribute("exit_code", "integer", "of the process of a lost run"),
        "exit_signal": _attribute("exit_signal", "string", "of the process of a lost run"),
        "oom_killed": _attribute("oom_killed", "boolean", "the kernel killed for want of memory meanwhile"),
        "retry_reason": _attribute("retry_reason", "string", "why it asked for another attempt"),
        "retry_delay_s": _attribute("retry_delay_s", "number", "asked-for delay before that"),
        "worker": _attribute("worker", "string", "the worker that ran it"),
        "pid": _attribute("pid", "integer", "its process"),
        "service": _attribute("service", "string", "service.name"),
        **_PLACE,
        "links": Key("array", "objects with the keys of LINK_KEYS", _links),
    }
)

PUBLISH_KEYS: Keys = MappingProxyType(
    {**_JOB, **{name: key for name, key in _TIMES.items() if name != "duration_s"}, **_FAILURE, **_PLACE}
)

COUNT_KEYS: Keys = MappingProxyType(
    {
        "runs": _attribute("runs", "integer", "attempts in the window that match, whatever their outcome"),
        "jobs": _attribute("jobs", "integer", "different jobs"),
        "failed": _attribute("failed", "integer", "jobs of which a run has failed"),
        "recovered": _attribute("recovered", "integer", "jobs retried that then succeeded"),
        "by_outcome": Key("object", "attempts by outcome, running among them", lambda all_: _sorted(all_.by_outcome)),
    }
)

FILTER_KEYS: Keys = MappingProxyType(
    {
        "since": Key("string", "started at or after", lambda where: _iso(where.since_ns)),
        "since_unix_nano": _attribute("since_ns", "integer", "the same, exact"),
        "until": Key("string", "started before; null: no end", lambda where: _iso(where.until_ns)),
        "until_unix_nano": _attribute("until_ns", "integer", "the same, exact"),
        "jobs": _attribute("jobs", "array", "as typed"),
        "queues": _attribute("queues", "array", "as typed"),
        "commands": _attribute("commands", "array", "as typed"),
        "frameworks": _attribute("frameworks", "array", "as typed"),
        "outcomes": _attribute("outcomes", "array", "as typed"),
        "failed": _attribute("failed", "boolean", "only runs that have failed"),
        "limit": _attribute("limit", "integer", "at most so many rows; null: all"),
    }
)

GROUP_KEYS: Keys = MappingProxyType(
    {
        "key": _attribute("key", "string", "what the failures share; # for numbers and ids that differ"),
        "jobs": _attribute("jobs", "integer", "different failed jobs"),
        "job_names": _attribute("job_names", "array", "their names, most frequent first"),
        "first": Key("string", "start of the oldest failed run", lambda group: iso(group.first_ns)),
        "first_unix_nano": _attribute("first_ns", "integer", "the same, exact"),
        "last": Key("string", "start of the newest", lambda group: iso(group.last_ns)),
        "last_unix_nano": _attribute("last_ns", "integer", "the same, exact"),
        "newest_job_id": Key("string", "the one to look at", lambda group: group.newest.job_id),
    }
)

SPREAD_KEYS: Keys = MappingProxyType(
    {
        "p50": _attribute("p50", "number", "seconds, nearest rank"),
        "p95": _attribute("p95", "number", "seconds, nearest rank"),
    }
)


def _spread(name: str, meaning: str) -> Key:
    return Key("object", meaning, lambda fold: getattr(fold, name) and row(SPREAD_KEYS, getattr(fold, name)))


JOB_FOLD_KEYS: Keys = MappingProxyType(
    {
        "job_name": _attribute("name", "string", "the jobs' name"),
        "depth": _attribute("depth", "integer", "0: put by the command; 1: by a job of the row above with depth 0; …"),
        "jobs": _attribute("jobs", "integer", "how many"),
        "states": _attribute("states", "object", "jobs by outcome of their newest run, running, waiting or not put"),
        "failed": _attribute("failed", "object", "failed jobs by outcome"),
        "retries": _attribute("retries", "integer", "attempts that asked for another"),
        "waited_s": _spread("waited", "keys of SPREAD_KEYS; null: none measured"),
        "ran_s": _spread("ran", "keys of SPREAD_KEYS; null: none ended"),
        "memory_bytes": Key("integer", "highest resident seen", lambda fold: fold.memory and fold.memory.bytes),
        "memory_is_peak": Key("boolean", "it was measured as a peak", lambda fold: fold.memory and fold.memory.is_peak),
    }
)


def _of_command(name: str) -> Callable[[CommandStory], object]:
    return lambda story: getattr(story.command, name, None)


_OF_BOTH = (
    *("command_id", "command_name", "start", "start_unix_nano", "end", "end_unix_nano", "duration_s", "exit_code"),
    *("outcome", "exit_signal", "error_type", "host", "pid", "service", "trace_id"),
)

COMMAND_KEYS: Keys = MappingProxyType(
    {
        "command_id": _attribute("id", "string", "16 hex digits"),
        "command_name": _attribute("name", "string", "the command path"),
        "start": Key("string", "null while no command span is there", lambda s: _iso(s.command and s.command.start_ns)),
        "start_unix_nano": Key("integer", "the same, exact", _of_command("start_ns")),
        "end": Key("string", "when its body ended", lambda s: _iso(s.command and s.command.end_ns)),
        "end_unix_nano": Key("integer", "the same, exact", _of_command("end_ns")),
        "duration_s": Key("number", "end minus start", _of_command("duration_s")),
        "exit_code": Key("integer", "null when killed", _of_command("exit_code")),
        "outcome": Key("string", "jobspan.command.outcome of its span", _of_command("outcome")),
        "exit_signal": Key("string", "that ended it", _of_command("exit_signal")),
        "error_type": Key("string", "error.type of its span", _of_command("error_type")),
        "host": Key("string", "host.name", _of_command("host")),
        "pid": Key("integer", "its process", _of_command("pid")),
        "service": Key("string", "service.name", _of_command("service")),
        "trace_id": Key("string", "32 hex digits", _of_command("trace_id")),
        "put": _attribute("put", "integer", "jobs it put itself"),
        "not_put": _attribute("not_put", "integer", "its publishes that raised"),
        "put_s": _attribute("put_s", "number", "first publish's start to last one's end"),
        "states": _attribute("states", "object", "jobs it put, by outcome of their newest run, running or waiting"),
        "nested_states": _attribute("nested_states", "object", "jobs that its jobs put, the same"),
        "retries": _attribute("retries", "integer", "attempts that asked for another"),
        "jobs": Key("array", "objects with JOB_FOLD_KEYS, as a tree in order", lambda s: rows(JOB_FOLD_KEYS, s.folds)),
        "runs": Key("array", "objects with RUN_KEYS, oldest first", lambda s: rows(RUN_KEYS, s.runs)),
    }
)

COMMAND_ROW_KEYS: Keys = MappingProxyType(
    {
        **{name: COMMAND_KEYS[name] for name in _OF_BOTH},
        "start": Key("string", "when it began, or was first seen", lambda s: _iso(s.start_ns)),
        "start_unix_nano": _attribute("start_ns", "integer", "the same, exact"),
        "put": _attribute("put", "integer", "jobs put, also by its jobs"),
        "not_put": _attribute("not_put", "integer", "publishes that raised"),
        "done": _attribute("done", "integer", "jobs that have had their last run"),
        "failed": _attribute("failed", "integer", "jobs that have failed"),
        "running": Key(
            "integer", "jobs with a run in flight; null: not known", lambda s: s.running if s.tells_running else None
        ),
        "retries": _attribute("retries", "integer", "attempts that asked for another"),
    }
)

ANCESTOR_KEYS: Keys = MappingProxyType(
    {
        "job_id": _attribute("key", "string", "its id"),
        "job_name": _attribute("name", "string", "its name"),
    }
)

JOB_KEYS: Keys = MappingProxyType(
    {
        "job_id": Key("string", "its id", lambda s: s.job.key),
        "job_name": Key("string", "its name", lambda s: s.job.name),
        "queue": Key("string", "its queue", lambda s: s.job.queue),
        "state": Key("string", "outcome of its newest run, running, waiting or not put", lambda s: s.job.state),
        "failed": Key("boolean", "a run of it has failed", lambda s: s.job.has_failed),
        "command_id": Key("string", "the command at the root", lambda s: s.job.command_id),
        "command_name": Key("string", "its name", lambda s: s.job.command_name),
        "ancestors": Key(
            "array", "jobs it came through, outermost first: ANCESTOR_KEYS", lambda s: rows(ANCESTOR_KEYS, s.ancestors)
        ),
        "children": _attribute("children", "object", "jobs it put, by name"),
        "trace_id": _attribute("trace_id", "string", "trace of its newest run"),
        "publishes": Key("array", "objects with PUBLISH_KEYS", lambda s: rows(PUBLISH_KEYS, s.job.publishes)),
        "runs": Key("array", "objects with RUN_KEYS, oldest first", lambda s: rows(RUN_KEYS, s.job.runs)),
    }
)

SPAN_KEYS: Keys = MappingProxyType(
    {
        **_PLACE,
        "name": _attribute("name", "string", "the span's name"),
        "kind": _attribute("kind", "string", "internal, producer, consumer, client or server"),
        **_TIMES,
        "status": _attribute("status", "string", "unset, ok or error"),
        "status_message": _attribute("status_message", "string", "its description"),
        "service": Key("string", "service.name", lambda span: span.resource.get("service.name")),
        "scope": _attribute("scope", "string", "the instrumentation that wrote it"),
        "attributes": Key("object", "all attributes, by name", lambda span: _sorted(span.attributes)),
        "links": Key("array", "objects with LINK_KEYS", _links),
    }
)

TRACE_KEYS: Keys = MappingProxyType(
    {
        "trace_id": _attribute("trace_id", "string", "32 hex digits"),
        "start": Key("string", "first start", lambda s: iso(s.start_ns)),
        "start_unix_nano": _attribute("start_ns", "integer", "the same, exact"),
        "end": Key("string", "last end", lambda s: iso(s.end_ns)),
        "end_unix_nano": _attribute("end_ns", "integer", "the same, exact"),
        "errors": _attribute("errors", "integer", "spans with status ERROR"),
        "spans": Key("array", "SPAN_KEYS, in tree order", lambda s: rows(SPAN_KEYS, (node.span for node in s.spans))),
    }
)

MATCH_KEYS: Keys = MappingProxyType(
    {
        "kind": _attribute("kind", "string", "command, job or trace"),
        "id": _attribute("id", "string", "whole"),
    }
)
