"""A stage whose telemetry ends in an operator's inbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from support.inbox import Inbox
from support.processes import Program
from support.prometheus import Prometheus
from support.stage import Stage
from support.waiting import wait_until

DEADLINE_S = 60


@dataclass(frozen=True, slots=True)
class Night:
    """A stage whose telemetry goes through the Collector to Prometheus, and from there to an inbox."""

    stage: Stage
    prometheus: Prometheus
    inbox: Inbox
    monitor: Program

    def put(self, *jobs: str) -> None:
        """Put jobs of ``apps.operations_app``."""
        self.stage.put(*(job if ":" in job else f"operations:{job}" for job in jobs))

    def wait_for(self, *messages: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until each has come to Slack; what is done meanwhile is done again and again."""

        def arrived() -> bool:
            meanwhile()
            return set(messages) <= set(self.inbox.slack)

        try:
            wait_until(arrived, deadline_s=DEADLINE_S, what="messages in Slack")
        except TimeoutError as late:
            raise TimeoutError(f"{late}; missing: {set(messages) - set(self.inbox.slack)}") from None
