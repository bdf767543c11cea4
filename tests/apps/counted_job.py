"""Prints how many of our bytecodes a job takes, put and run: recorded, not sampled, without an SDK, measured, kept.

Kept is what is recorded with a flight record, from a process that runs jobs to an exporter that has sent it.

In a process of its own: what other tests leave open or set up would be paid here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import jobspan
from jobspan.recording import Recorder
from jobspan.settings import Settings
from jobspan.testing import a_publish, a_run
from support.bytecodes import bytecodes_of

OURS = Path(jobspan.__file__).parent


class Job:
    """The events of one job, told in two steps."""

    def __init__(self, provider: Any, meter_provider: Any = None, state_dir: str = "off") -> None:
        self.tell = Recorder(Settings(state_dir=state_dir), tracer_provider=provider, meter_provider=meter_provider)
        self.carrier: dict[str, Any] = {}

    def publish(self) -> None:
        """Put it."""
        self.carrier = {}
        self._tell(*a_publish(carrier=self.carrier))

    def run(self) -> None:
        """Do it."""
        self._tell(*a_run(carrier=self.carrier))

    def counted(self) -> tuple[int, int]:
        """Return the bytecodes of both steps, once what is worked out only once is worked out."""
        self.publish()
        self.run()
        return bytecodes_of(self.publish, OURS), bytecodes_of(self.run, OURS)

    def _tell(self, *events: Any) -> None:
        for event in events:
            self.tell(event)


class Nowhere(SpanExporter):
    """Sends nothing, and says that it has."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Forget them."""
        return SpanExportResult.SUCCESS


def exported() -> TracerProvider:
    """Return a provider each of whose spans is sent when it ends."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(Nowhere()))
    return provider


if __name__ == "__main__":
    providers = {
        "recorded": TracerProvider(),
        "not sampled": TracerProvider(sampler=ALWAYS_OFF),
        "no SDK": None,
    }
    counted = {name: Job(provider).counted() for name, provider in providers.items()}
    measured = Job(TracerProvider(), MeterProvider([InMemoryMetricReader()])).counted()
    with TemporaryDirectory() as folder:
        kept = Job(exported(), state_dir=folder).counted()
    print(json.dumps({**counted, "recorded and measured": measured, "recorded and kept": kept}))
