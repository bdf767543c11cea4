"""What every background job really did, as OpenTelemetry spans: the public names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobspan.by_hand import command
from jobspan.errors import JobspanError
from jobspan.job_options import options

if TYPE_CHECKING:
    from jobspan.instrumentors.celery import CeleryInstrumentor
    from jobspan.instrumentors.commands import CommandInstrumentor
    from jobspan.instrumentors.dramatiq import DramatiqInstrumentor
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

_LAZY = {
    "CeleryInstrumentor": "jobspan.instrumentors.celery",
    "CommandInstrumentor": "jobspan.instrumentors.commands",
    "DramatiqInstrumentor": "jobspan.instrumentors.dramatiq",
    "current_job": "jobspan.recording.current",
}


def __getattr__(name: str) -> object:
    # An instrumentor brings its task library along: it is imported when it is asked for.
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
