"""A sampler that notes what it is asked about."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult


class Watching(Sampler):
    """Decides the same of each span, having looked at it: at its name, its attributes and how many links it has.

    It says of itself that it is one of the SDK's own.
    """

    def __init__(self, decision: Decision = Decision.DROP) -> None:
        self._decision = decision
        self.seen: list[tuple[str, dict[str, Any], int]] = []

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        *_: Any,
        **__: Any,
    ) -> SamplingResult:
        """Note it."""
        self.seen.append((name, dict(attributes or {}), len(links or ())))
        return SamplingResult(self._decision, attributes)

    def get_description(self) -> str:
        """Return the name of one of the SDK's own, which it is not."""
        return "AlwaysOffSampler"
