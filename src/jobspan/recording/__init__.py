"""Job events in, OpenTelemetry out: the recorder and what it is made of."""

from __future__ import annotations

from jobspan.recording.recorder import Recorder

__all__ = ["Recorder"]
