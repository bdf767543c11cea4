"""Prints how many of our bytecodes it takes to put and to run a job: recorded, not sampled, and without an SDK.

In a process of its own: what other tests leave open or set up would be paid here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import jobspan
from jobspan.recording import Recorder
from jobspan.settings import Settings
from jobspan.testing import a_publish, a_run
from support.bytecodes import bytecodes_of

OURS = Path(jobspan.__file__).parent


class Job:
    """The events of one job, told in two steps."""

    def __init__(self, provider: Any) -> None:
        self.tell = Recorder(Settings(state_dir="off"), tracer_provider=provider)
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


if __name__ == "__main__":
    providers = {
        "recorded": TracerProvider(),
        "not sampled": TracerProvider(sampler=ALWAYS_OFF),
        "no SDK": None,
    }
    print(json.dumps({name: Job(provider).counted() for name, provider in providers.items()}))
