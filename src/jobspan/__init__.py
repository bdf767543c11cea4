"""What every background job really did, as OpenTelemetry spans: the public names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobspan._version import __version__

if TYPE_CHECKING:
    from jobspan.errors import JobspanError
    from jobspan.instrumentors.celery import CeleryInstrumentor
    from jobspan.instrumentors.commands import CommandInstrumentor
    from jobspan.instrumentors.dramatiq import DramatiqInstrumentor
    from jobspan.job_options import options
    from jobspan.manual_command import command
    from jobspan.recording.spans.current_job import current_job

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
    "command": "jobspan.manual_command",
    "current_job": "jobspan.recording.spans.current_job",
    "options": "jobspan.job_options",
}


def __getattr__(name: str) -> object:
    # Every program under opentelemetry-instrument imports this, and an instrumentor brings its task library along.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
