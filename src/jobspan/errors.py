"""What jobspan raises, and to whom.

    JobspanError
    ├── UsageError          the user typed or set something that cannot be (exit code 2)
    │   └── MissingExtra    a package is not installed; the message names the extra
    ├── BackendError        where spans are kept is unreachable or answered with an error (exit code 2)
    ├── BrokerError         where jobs wait is unreachable or answered with an error (exit code 2)
    └── MalformedData       telemetry that cannot be read; the sender gets the reason, nothing else is lost

Instrumented jobs and publishes never see any of these.
"""

from __future__ import annotations


class JobspanError(Exception):
    """Base of everything that jobspan raises; its text is one line for a person."""


class UsageError(JobspanError):
    """Wrong use: an unknown option value, an id that matches nothing or too much."""


class MissingExtra(UsageError):
    """A package that this part needs is not installed.

    Args:
        part: what the user tried to use, e.g. ``"jobspan serve"``.
        extra: the extra of jobspan that brings it, e.g. ``"server"``.
        cause: the import error.
    """

    def __init__(self, part: str, extra: str, cause: ImportError) -> None:
        missing = cause.name or str(cause)
        super().__init__(f"{part} needs {missing}, which is not installed: pip install 'jobspan[{extra}]'")


class BackendError(JobspanError):
    """A backend could not be reached or did not answer as expected."""


class BrokerError(JobspanError):
    """A broker could not be reached or did not answer as expected."""


class MalformedData(JobspanError):
    """Bytes that are no OTLP request, or a request with a span that cannot be."""
