"""Console commands: a library's way to run one → command events."""

from __future__ import annotations

from jobspan.instrumentors.commands.instrumentor import CommandInstrumentor

__all__ = ["CommandInstrumentor"]
