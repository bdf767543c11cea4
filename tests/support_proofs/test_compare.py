"""The comparison with the diary is honest: the truth reports nothing, every planted lie is reported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobspan.runs import Link, Span, SpanEvent
from support.compare import lies
from support_proofs.story import spans, truth

Told = dict[str, Span]


def _change(told: Told, span_id: str, **changes: Any) -> None:
    told[span_id] = replace(told[span_id], **changes)


def _say(told: Told, span_id: str, **attributes: Any) -> None:
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    kept = {name: value for name, value in {**told[span_id].attributes, **named}.items() if value is not None}
    _change(told, span_id, attributes=kept)


def _double(told: Told, original: str, **changes: Any) -> None:
    told["twin"] = replace(told[original], **{"span_id": "twin", **changes})


def _link(told: Told, span_id: str, *links: Link) -> None:
    _change(told, span_id, links=(*told[span_id].links, *links))


def _swap_attempts(told: Told) -> None:
    _say(told, "run1", jobspan__job__attempt=2)
    _say(told, "run2", jobspan__job__attempt=1)


PREVIOUS = {"jobspan.link.type": "previous_attempt"}

PLANTED: dict[str, tuple[Callable[[Told], Any], str]] = {
    "run dropped": (lambda told: told.pop("run3"), "run receipt b attempt 1 delivery 1: no span"),
    "publish dropped": (lambda told: told.pop("publish3"), "publish receipt b attempt 1: no span"),
    "retry's publish dropped": (lambda told: told.pop("publish2"), "publish charge a attempt 2: no span"),
    "command dropped": (lambda told: told.pop("command"), "command tool charge pid 100: no span"),
    "run doubled": (lambda told: _double(told, "run3"), "run ('b', 1, 2): a span (run receipt)"),
    "publish doubled": (lambda told: _double(told, "publish3"), "publish ('b', 1): 2 spans"),
    "command doubled": (
        lambda told: _double(told, "command", attributes={**told["command"].attributes, "jobspan.command.id": "twin"}),
        "command 100: 2 spans",
    ),
    "span id reused": (lambda told: _double(told, "redis", span_id="run3"), "span id run3 of trace t is used 2 times"),
    "exported twice": (lambda told: _double(told, "run3", span_id="run3"), "span id run3 of trace t is used 2 times"),
    "run of a job that never was": (lambda told: _say(told, "run3", messaging__message__id="z"), "run ('z', 1, 1)"),
    "run re-parented": (
        lambda told: _change(told, "run3", parent_id="publish1"),
        "run receipt b attempt 1 delivery 1: parent",
    ),
    "run without parent": (
        lambda told: _change(told, "run3", parent_id=None),
        "run receipt b attempt 1 delivery 1: parent",
    ),
    "run in another trace": (
        lambda told: _change(told, "run3", trace_id="u"),
        "run receipt b attempt 1 delivery 1: parent",
    ),
    "publish re-parented": (
        lambda told: _change(told, "publish3", parent_id="run1"),
        "publish receipt b attempt 1: parent",
    ),
    "retry's publish re-parented": (
        lambda told: _change(told, "publish2", parent_id="command"),
        "publish charge a attempt 2: parent",
    ),
    "command's publish re-parented": (
        lambda told: _change(told, "publish1", parent_id=None),
        "publish charge a attempt 1: parent",
    ),
    "foreign link": (
        lambda told: _link(told, "run2", Link("t", "run3", PREVIOUS)),
        "foreign link ('previous_attempt', 't', 'run3')",
    ),
    "link of no type": (lambda told: _link(told, "run3", Link("u", "x")), "foreign link ('', 'u', 'x')"),
    "link doubled": (
        lambda told: _link(told, "run3", *told["run3"].links),
        "link ('publish', 't', 'publish3') 2 times",
    ),
    "links missing": (lambda told: _change(told, "run2", links=()), "no link ('previous_attempt', 't', 'run1')"),
    "outcome swapped": (
        lambda told: _say(told, "run3", jobspan__job__outcome="succeeded"),
        "run receipt b attempt 1 delivery 1: outcome is 'failed', the span says 'succeeded'",
    ),
    "final swapped": (lambda told: _say(told, "run1", jobspan__job__final=True), "final is False, the span says True"),
    "wrong status": (lambda told: _change(told, "run2", status="error"), "status is 'unset', the span says 'error'"),
    "status forgotten": (
        lambda told: _change(told, "run3", status="unset"),
        "status is 'error', the span says 'unset'",
    ),
    "wrong error type": (
        lambda told: _say(told, "run3", error__type="KeyError"),
        "error.type is 'ValueError', the span says 'KeyError'",
    ),
    "error type without error": (lambda told: _say(told, "run2", error__type="KeyError"), "error.type is None"),
    "exception not recorded": (
        lambda told: _change(told, "run3", events=()),
        "exception is 'ValueError', the span says None",
    ),
    "the wrapper's exception": (
        lambda told: _change(told, "run1", events=(SpanEvent("exception", 1, {"exception.type": "celery.Retry"}),)),
        "exception is 'bank.Busy', the span says 'celery.Retry'",
    ),
    "other process": (lambda told: _say(told, "run3", process__pid=1), "pid is 200, the span says 1"),
    "other job": (
        lambda told: _say(told, "run3", jobspan__job__name="charge"),
        "job is 'receipt', the span says 'charge'",
    ),
    "other framework": (lambda told: _say(told, "publish1", jobspan__framework="dramatiq"), "framework is 'celery'"),
    "wrong kind": (lambda told: _change(told, "run3", kind="internal"), "kind is 'consumer', the span says 'internal'"),
    "publish failed": (lambda told: _change(told, "publish1", status="error"), "publish charge a attempt 1: status"),
    "attempts swapped": (
        _swap_attempts,
        "run charge a attempt 1 delivery 1: outcome is 'retried', the span says 'succeeded'",
    ),
    "begins too late": (lambda told: _change(told, "run3", start_ns=601), "the span begins 0.000 ms after the job did"),
    "ends too early": (lambda told: _change(told, "run3", end_ns=649), "the span ends 0.000 ms before the job did"),
    "wrong exit code": (lambda told: _say(told, "command", process__exit__code=1), "exit code is 0, the span says 1"),
    "wrong count": (lambda told: _say(told, "command", jobspan__command__jobs__published=2), "jobs published is 1"),
}


def test_the_truth_reports_nothing() -> None:
    assert lies(tuple(spans().values()), truth()) == ()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_lie_is_reported(name: str) -> None:
    plant, expected = PLANTED[name]
    told = spans()
    plant(told)
    found = lies(tuple(told.values()), truth())
    assert any(expected in line for line in found), "\n".join(found) or "nothing reported"


def test_links_and_own_traces_are_the_truth_of_relation_link() -> None:
    told = spans()
    for run in ("run1", "run2", "run3"):
        _change(told, run, parent_id=None)
    assert lies(tuple(told.values()), truth(), relation="link") == ()


def test_neither_parents_nor_links_are_the_truth_of_relation_none() -> None:
    told = spans()
    for run in ("run1", "run2", "run3"):
        _change(told, run, parent_id=None, links=())
    assert lies(tuple(told.values()), truth(), relation="none") == ()


def test_a_run_that_never_ended_is_lost_and_nothing_else() -> None:
    lost = replace(truth().runs[2], outcome=None, final=None, error_type=None, ended_ns=None)
    happened = replace(truth(), runs=(*truth().runs[:2], lost))
    silent, lying, telling = spans(), spans(), spans()
    silent.pop("run3")
    _say(telling, "run3", jobspan__job__outcome="lost", error__type="worker_lost")
    assert "no span" in "\n".join(lies(tuple(silent.values()), happened))
    assert lies(tuple(telling.values()), happened) == ()
    assert "outcome is 'lost', the span says 'failed'" in "\n".join(lies(tuple(lying.values()), happened))


def test_a_job_delivered_twice_has_two_runs() -> None:
    again = replace(truth().runs[2], delivery=2, began_ns=800, ended_ns=850)
    happened = replace(truth(), runs=(*truth().runs, again))
    told = spans()
    assert "run receipt b attempt 1 delivery 2: no span" in lies(tuple(told.values()), happened)
    _double(told, "run3", start_ns=790, end_ns=900)
    assert lies(tuple(told.values()), happened) == ()
