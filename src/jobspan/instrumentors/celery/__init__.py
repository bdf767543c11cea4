"""Celery: signals and one wrapped call → job events."""

from __future__ import annotations

from jobspan.instrumentors.celery.instrumentor import CeleryInstrumentor

__all__ = ["CeleryInstrumentor"]
