"""Dramatiq: one middleware and one wrapped call → job events."""

from __future__ import annotations

from jobspan.instrumentors.dramatiq.instrumentor import DramatiqInstrumentor

__all__ = ["DramatiqInstrumentor"]
