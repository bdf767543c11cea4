"""The two-minute tour: private servers, real workers, one console command, and what became of its jobs."""

from __future__ import annotations

from jobspan.errors import MissingExtra


def run(*, keep: bool = False) -> int:
    """Run the tour on this terminal and return its exit code.

    Args:
        keep: leave servers, workers and store in place until Ctrl-C.

    Raises:
        MissingExtra: a package of the extra ``demo`` is not installed.
    """
    try:
        import celery  # noqa: F401 - only to learn whether the extra is there
        import dramatiq  # noqa: F401 - the same
        import opentelemetry.exporter.otlp.proto.grpc  # noqa: F401 - the same
        import redis  # noqa: F401 - the same

        from jobspan.demo.tour import tour
    except ImportError as absent:
        if (absent.name or "").startswith("jobspan"):
            raise
        raise MissingExtra("jobspan demo", "demo", absent) from absent
    return tour(keep=keep)
