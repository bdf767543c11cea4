"""Whether telemetry of this environment's jobs gets recorded and arrives: one finding a step, fine or not."""

from __future__ import annotations

from jobspan.health.findings import Finding, Grade


def fine(kind: str, seen: str) -> Finding:
    """Return that a step is as it should be."""
    return Finding(Grade.HEALTHY, kind, seen, "")


def warning(kind: str, seen: str, remedy: str) -> Finding:
    """Return that something is lost or doubtful."""
    return Finding(Grade.WARNING, kind, seen, remedy)


def critical(kind: str, seen: str, remedy: str) -> Finding:
    """Return that no telemetry of jobs arrives."""
    return Finding(Grade.CRITICAL, kind, seen, remedy)


def unknown(kind: str, seen: str, remedy: str) -> Finding:
    """Return that a step could not be looked at."""
    return Finding(Grade.HEALTHY, kind, seen, remedy, is_known=False)
