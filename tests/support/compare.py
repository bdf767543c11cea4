"""Holds spans against what really happened: every lie of the spans is one line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from jobspan import conventions as c
from jobspan.runs import Link, Span, is_command, is_publish, is_run
from support.diary import Diary, TrueCommand, TrueDrop, TruePublish, TrueRun

_ERROR_OUTCOMES = {"failed", "timed_out", "lost", "unroutable"}
_RUN_LINKS = {c.LINK_PUBLISH, c.LINK_PREVIOUS_ATTEMPT}

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the jobs' diary says."""

    runs: tuple[TrueRun, ...]
    publishes: tuple[TruePublish, ...]
    commands: tuple[TrueCommand, ...]
    drops: tuple[TrueDrop, ...] = ()
    troubles: tuple[str, ...] = ()

    @classmethod
    def of(cls, diary: Diary) -> Truth:
        """Read it from a diary."""
        return cls(diary.runs, diary.publishes, diary.commands, diary.drops, diary.troubles)


def assert_true(spans: Iterable[Span], diary: Diary, *, relation: str = "child+link") -> None:
    """Fail with every way in which the spans contradict the diary."""
    found = lies(tuple(spans), Truth.of(diary), relation=relation)
    assert not found, "the spans contradict the jobs' diary:\n  " + "\n  ".join(found)


def lies(spans: Sequence[Span], truth: Truth, *, relation: str = "child+link") -> tuple[str, ...]:
    """Return what the spans get wrong; empty when they tell the truth and nothing but.

    Runs are matched one-to-one on (job id, attempt, delivery), publishes on (job id, attempt), commands on the
    process id. A run that never ended was lost.

    Args:
        spans: all that was exported; spans of other libraries are passed over.
        truth: what happened.
        relation: the configured ``OTEL_PYTHON_JOBSPAN_RELATION``.
    """
    return tuple(_Comparison(spans, truth, relation).lies())


class _Comparison:
    def __init__(self, spans: Sequence[Span], truth: Truth, relation: str) -> None:
        self.spans, self.truth, self.relation = spans, truth, relation
        self.runs = _runs_by_key(span for span in spans if is_run(span))
        self.publishes = _grouped((_job_key(span), span) for span in spans if is_publish(span))
        self.commands = _grouped((span.attributes.get(c.PROCESS_PID), span) for span in spans if is_command(span))

    def lies(self) -> Iterator[str]:
        yield from self._reused_ids()
        yield from self.truth.troubles
        began = {_run_key(true) for true in self.truth.runs} | {_drop_key(true) for true in self.truth.drops}
        yield from _unmatched("run", self.runs, began)
        yield from _unmatched("publish", self.publishes, {(true.job_id, true.attempt) for true in self.truth.publishes})
        yield from _unmatched("command", self.commands, {true.pid for true in self.truth.commands})
        for true in self.truth.runs:
            yield from self._run_lies(true)
        for drop in self.truth.drops:
            yield from self._drop_lies(drop)
        for publish in self.truth.publishes:
            yield from self._publish_lies(publish)
        for command in self.truth.commands:
            yield from self._command_lies(command)

    def _reused_ids(self) -> Iterator[str]:
        for (trace_id, span_id), times in Counter((span.trace_id, span.span_id) for span in self.spans).items():
            if times > 1:
                yield f"span id {span_id} of trace {trace_id} is used {times} times"

    def _run_lies(self, true: TrueRun) -> Iterator[str]:
        what = f"run {true.job} {true.job_id} attempt {true.attempt} delivery {true.delivery}"
        span = self.runs.get(_run_key(true), [None])[0]
        if span is None:
            yield f"{what}: no span"
            return
        yield from _different(what, _run_facts(span), _true_run_facts(true))
        yield from _outside(what, span, true)
        yield from self._run_relation_lies(what, true, span)

    def _drop_lies(self, true: TrueDrop) -> Iterator[str]:
        what = f"job {true.job} {true.job_id} that never ran"
        span = self.runs.get(_drop_key(true), [None])[0]
        if span is None:
            yield f"{what}: no span"
            return
        yield from _different(what, _run_facts(span), _true_drop_facts(true))
        if span.start_ns != span.end_ns:
            yield f"{what}: its span has a length"
        yield from self._run_relation_lies(what, true, span)

    def _run_relation_lies(self, what: str, run: TrueRun | TrueDrop, span: Span) -> Iterator[str]:
        true = run if isinstance(run, TrueRun) else TrueRun(run.framework, run.job, run.job_id, 1, 1, 0, 0)
        publish = self.publishes.get((true.job_id, true.attempt), [None])[0]
        parent = publish if self.relation == "child+link" else None
        yield from _wrong_parent(what, span, parent)
        previous = [
            found[0]
            for (job_id, attempt, _), found in self.runs.items()
            if job_id == true.job_id and attempt == true.attempt - 1
        ]
        expected = {_link_to(c.LINK_PUBLISH, publish)} if publish and self.relation != "none" else set()
        expected |= (
            {_link_to(c.LINK_PREVIOUS_ATTEMPT, run) for run in previous[-1:]} if self.relation != "none" else set()
        )
        actual = [(link.type or "", link.trace_id, link.span_id) for link in span.links if _is_ours(link)]
        yield from (f"{what}: no link {link}" for link in sorted(expected - set(actual)))
        yield from (f"{what}: foreign link {link}" for link in sorted(set(actual) - expected))
        yield from (f"{what}: link {link} {n} times" for link, n in Counter(actual).items() if n > 1)

    def _publish_lies(self, true: TruePublish) -> Iterator[str]:
        what = f"publish {true.job} {true.job_id} attempt {true.attempt}"
        span = self.publishes.get((true.job_id, true.attempt), [None])[0]
        if span is None:
            yield f"{what}: no span"
            return
        facts = {"framework": true.framework, "job": true.job, "kind": "producer"}
        facts |= {"status": "error", "error.type": "worker_lost"} if true.is_cut_off else {"status": "unset"}
        yield from _different(what, _publish_facts(span), facts)
        if true.by_run is not None:
            yield from _wrong_parent(what, span, self.runs.get(true.by_run, [None])[0])
        elif true.by_command is not None:
            yield from _wrong_parent(what, span, self.commands.get(true.by_command, [None])[0])

    def _command_lies(self, true: TrueCommand) -> Iterator[str]:
        what = f"command {true.name} pid {true.pid}"
        span = self.commands.get(true.pid, [None])[0]
        if span is None:
            yield f"{what}: no span"
            return
        put = [publish for publish in self.truth.publishes if publish.by_command == true.pid]
        facts = {"name": true.name, "exit code": true.exit_code, "jobs published": len(put)}
        yield from _different(what, _command_facts(span), facts)


def _grouped(pairs: Iterable[tuple[K, Span]]) -> dict[K, list[Span]]:
    groups: dict[K, list[Span]] = defaultdict(list)
    for key, span in pairs:
        groups[key].append(span)
    return dict(groups)


def _runs_by_key(spans: Iterable[Span]) -> dict[tuple[str, int, int], list[Span]]:
    """Number the runs of one attempt by their start: the delivery."""
    attempts = _grouped((_job_key(span), span) for span in sorted(spans, key=lambda span: span.start_ns))
    return {(*key, number): [span] for key, found in attempts.items() for number, span in enumerate(found, 1)}


def _job_key(span: Span) -> tuple[str, int]:
    return span.attributes.get(c.MESSAGING_MESSAGE_ID, ""), span.attributes.get(c.JOBSPAN_JOB_ATTEMPT, 0)


def _run_key(true: TrueRun) -> tuple[str, int, int]:
    return true.job_id, true.attempt, true.delivery


def _unmatched(kind: str, found: Mapping[K, list[Span]], true: Iterable[K]) -> Iterator[str]:
    happened = set(true)
    for key, spans in found.items():
        if key not in happened:
            yield f"{kind} {key}: a span ({spans[0].name}), but it never happened"
        elif len(spans) > 1:
            yield f"{kind} {key}: {len(spans)} spans"


def _drop_key(true: TrueDrop) -> tuple[str, int, int]:
    return true.job_id, 1, 1


def _run_facts(span: Span) -> dict[str, object]:
    a = span.attributes
    return {
        "framework": a.get(c.JOBSPAN_FRAMEWORK),
        "job": a.get(c.JOBSPAN_JOB_NAME),
        "kind": span.kind,
        "pid": a.get(c.PROCESS_PID),
        "outcome": a.get(c.JOBSPAN_JOB_OUTCOME),
        "final": a.get(c.JOBSPAN_JOB_FINAL),
        "status": span.status,
        "error.type": a.get(c.ERROR_TYPE),
        "exception": next((e.attributes.get(c.EXCEPTION_TYPE) for e in span.events if e.name == "exception"), None),
    }


def _true_run_facts(true: TrueRun) -> dict[str, object]:
    facts = {"framework": true.framework, "job": true.job, "kind": "consumer", "pid": true.pid}
    if true.outcome is None:
        return {**facts, "outcome": "lost", "status": "error", "error.type": "worker_lost"}
    has_erred = true.outcome in _ERROR_OUTCOMES or (true.outcome == "retried" and true.error_type is not None)
    return {
        **facts,
        "outcome": true.outcome,
        "final": true.final,
        "status": "error" if has_erred else "unset",
        "error.type": _true_error_type(true) if has_erred else None,
        "exception": true.error_type,
    }


def _true_error_type(true: TrueRun) -> str | None:
    return c.ERROR_TIMEOUT if true.outcome == "timed_out" else true.error_type


def _true_drop_facts(true: TrueDrop) -> dict[str, object]:
    return {
        "framework": true.framework,
        "job": true.job,
        "kind": "consumer",
        "pid": None,
        "outcome": true.outcome,
        "final": True,
        "status": "error" if true.outcome in _ERROR_OUTCOMES else "unset",
        "error.type": true.error_type,
        "exception": true.exception,
    }


def _publish_facts(span: Span) -> dict[str, object]:
    a = span.attributes
    return {
        "framework": a.get(c.JOBSPAN_FRAMEWORK),
        "job": a.get(c.JOBSPAN_JOB_NAME),
        "kind": span.kind,
        "status": span.status,
        "error.type": a.get(c.ERROR_TYPE),
    }


def _command_facts(span: Span) -> dict[str, object]:
    a = span.attributes
    return {
        "name": a.get(c.JOBSPAN_COMMAND_NAME),
        "exit code": a.get(c.PROCESS_EXIT_CODE),
        "jobs published": a.get(c.JOBSPAN_COMMAND_JOBS_PUBLISHED),
    }


def _different(what: str, actual: Mapping[str, object], true: Mapping[str, object]) -> Iterator[str]:
    for fact, value in true.items():
        if actual[fact] != value:
            yield f"{what}: {fact} is {value!r}, the span says {actual[fact]!r}"


def _outside(what: str, span: Span, true: TrueRun) -> Iterator[str]:
    """The span begins before the job's body and ends after it: both read the same clock."""
    if span.start_ns > true.began_ns:
        yield f"{what}: the span begins {(span.start_ns - true.began_ns) / 1e6:.3f} ms after the job did"
    if true.ended_ns is not None and span.end_ns < true.ended_ns:
        yield f"{what}: the span ends {(true.ended_ns - span.end_ns) / 1e6:.3f} ms before the job did"


def _wrong_parent(what: str, span: Span, parent: Span | None) -> Iterator[str]:
    expected = None if parent is None else (parent.trace_id, parent.span_id)
    actual = None if span.parent_id is None else (span.trace_id, span.parent_id)
    if actual != expected:
        yield f"{what}: parent is {expected and (parent and parent.name, *expected)}, the span says {actual}"


def _link_to(kind: str, span: Span) -> tuple[str, str, str]:
    return kind, span.trace_id, span.span_id


def _is_ours(link: Link) -> bool:
    """Links of further kinds (``member``, ``ambient``, …) have tests of their own."""
    return link.type is None or link.type in _RUN_LINKS
