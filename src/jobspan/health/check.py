"""One look at a broker and at the telemetry, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jobspan.brokers.base import BrokerReader, BrokerState
from jobspan.errors import BackendError, BrokerError
from jobspan.health.findings import (
    Finding,
    Grade,
    RunFacts,
    broker_findings,
    grade_of,
    run_findings,
    unreachable_backend,
    unreachable_broker,
)
from jobspan.health.limits import LimitRules

AskRuns = Callable[[], RunFacts]


@dataclass(frozen=True, slots=True)
class Health:
    """What was found.

    Attributes:
        state: what the broker reported; None: it did not answer.
        facts: what the telemetry said; None: no backend is named, or it did not answer.
        findings: the worst first.
    """

    state: BrokerState | None
    facts: RunFacts | None
    findings: tuple[Finding, ...]

    @property
    def grade(self) -> Grade:
        """The worst of the findings."""
        return grade_of(self.findings)


def check(reader: BrokerReader, rules: LimitRules, ask_runs: AskRuns | None = None) -> Health:
    """Look once.

    Args:
        reader: of the broker.
        rules: from when on a queue is not healthy.
        ask_runs: asks the backend; None: failures and run times are not looked at.
    """
    findings: list[Finding] = []
    state, facts = None, None
    try:
        state = reader.look()
        findings += broker_findings(state, rules)
    except BrokerError as error:
        findings.append(unreachable_broker(error))
    try:
        facts = ask_runs() if ask_runs else None
        findings += run_findings(facts, rules) if facts else ()
    except BackendError as error:
        findings.append(unreachable_backend(error))
    return Health(state, facts, tuple(sorted(findings, key=lambda finding: -finding.grade)))
