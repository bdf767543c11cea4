"""What every background job really did, as OpenTelemetry spans: the public names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobspan.by_hand import command
    from jobspan.errors import JobspanError
    from jobspan.instrumentors.celery import CeleryInstrumentor
    from jobspan.instrumentors.commands import CommandInstrumentor
    from jobspan.instrumentors.dramatiq import DramatiqInstrumentor
    from jobspan.job_options import options
    from jobspan.recording.current import current_job

__version__ = "0.1.0"
__all__ = [
    "CeleryInstrumentor",
    "CommandInstrumentor",
    "DramatiqInstrumentor",
    "JobspanError",
    "__version__",
    "command",
    "current_job",
    "options",
]

_HOMES = {
    "CeleryInstrumentor": "jobspan.instrumentors.celery",
    "CommandInstrumentor": "jobspan.instrumentors.commands",
    "DramatiqInstrumentor": "jobspan.instrumentors.dramatiq",
    "JobspanError": "jobspan.errors",
    "command": "jobspan.by_hand",
    "current_job": "jobspan.recording.current",
    "options": "jobspan.job_options",
}


def __getattr__(name: str) -> object:
    # Every program under opentelemetry-instrument imports this, and an instrumentor brings its task library along.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
