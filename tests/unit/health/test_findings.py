"""Findings: each condition alone, how bad it is, and nothing from what is not known."""

from __future__ import annotations

import pytest

from jobspan.brokers.base import QueueState
from jobspan.health.findings import Finding, Grade, RunFacts, grade_of, queue_findings, run_findings
from jobspan.health.limits import LimitRules, Limits
from jobspan.jobs import Framework

QUEUE = {"framework": Framework.CELERY, "name": "work"}


def _kinds(*findings: Finding) -> list[tuple[str, str]]:
    return [(finding.kind, finding.grade.name.lower()) for finding in findings]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({}, []),
        ({"ready": 1000, "workers": 1, "oldest_s": 600.0, "dead": 5000, "unacked": 5000}, []),
        ({"ready": 1001, "workers": 1}, [("waiting", "warning")]),
        ({"ready": 5000, "workers": None}, [("waiting", "warning")]),
        ({"ready": 5001, "workers": 3}, [("waiting", "critical")]),
        ({"ready": 1, "workers": 1, "oldest_s": 600.1}, [("oldest", "warning")]),
        ({"ready": 1, "workers": 1, "oldest_s": 3000.1}, [("oldest", "critical")]),
        ({"ready": 1, "workers": 0}, [("no_worker", "critical")]),
        ({"ready": 0, "workers": 0}, []),
        ({"ready": None, "workers": 0}, []),
    ],
)
def test_a_queue_past_its_limit_is_a_warning_and_past_five_times_critical(
    state: dict[str, int], expected: list[tuple[str, str]]
) -> None:
    assert _kinds(*queue_findings(QueueState(**QUEUE, **state), Limits())) == expected  # type: ignore[arg-type]  # the table's values


def test_a_finding_says_what_was_seen_and_what_to_do() -> None:
    (finding,) = queue_findings(QueueState(Framework.DRAMATIQ, "billing", ready=3, workers=0), Limits())
    assert finding == Finding(
        Grade.CRITICAL,
        "no_worker",
        "3 jobs ready, and no worker takes from it",
        "start a worker for it: dramatiq MODULE --queues billing",
        "billing",
        Framework.DRAMATIQ,
    )


def test_too_few_workers_are_a_warning_where_a_user_asks_for_more() -> None:
    (finding,) = queue_findings(QueueState(Framework.CELERY, "work", ready=3, workers=1), Limits(workers=2))
    assert (finding.grade, finding.seen) == (Grade.WARNING, "3 jobs ready, and only 1 of 2 workers take from it")


def test_failures_and_run_times_are_held_to_the_limits_of_their_queue() -> None:
    facts = RunFacts(
        "in the last hour",
        failed={("celery", "work"): 101, ("dramatiq", "work"): 100, ("celery", "mail"): 3},
        p95_s={("celery", "pdf"): 61.0, ("celery", "work"): 3600.0},
    )
    found = tuple(run_findings(facts, LimitRules(["mail: failed=0; pdf: p95=1m"])))
    assert [(finding.queue, *_kinds(finding)) for finding in found] == [
        ("mail", ("failed", "critical")),
        ("work", ("failed", "warning")),
        ("pdf", ("slow", "warning")),
    ]
    assert found[1].seen == "101 jobs failed in the last hour, the limit is 100"


def test_dropped_telemetry_is_a_warning_with_its_reasons() -> None:
    (finding,) = run_findings(RunFacts("in the last hour", dropped={"hook_error": 2, "table_full": 1}), LimitRules())
    assert (finding.grade, finding.seen) == (
        Grade.WARNING,
        "telemetry was dropped in the last hour: hook_error 2, table_full 1",
    )


def test_the_worst_finding_is_the_grade() -> None:
    warning, critical = Finding(Grade.WARNING, "a", "", ""), Finding(Grade.CRITICAL, "b", "", "")
    assert [grade_of(found) for found in ([], [warning], [warning, critical])] == list(Grade)
