"""A forked child forgets what jobspan's instruments had counted: the SDK would export it once more, as the child's own.

The SDK renews the child's identity and keeps the values, so that every child reports all that its parent had
(1.45.2; upstream issue 2767). Instruments of others are left alone.
"""

from __future__ import annotations

import threading
from typing import Any

from jobspan import conventions as c


def has_exporter(meter: Any) -> bool:
    """Say whether a reader collects what a meter of the SDK measures; True for a meter that is not the SDK's."""
    consumer = getattr(meter, "_measurement_consumer", None)
    return bool(getattr(consumer, "_reader_storages", True))


def forget_values(meter: Any) -> None:
    """Drop the values of jobspan's synchronous instruments; does nothing for a meter that is not the SDK's."""
    consumer = getattr(meter, "_measurement_consumer", None)
    for storage in getattr(consumer, "_reader_storages", {}).values():
        for instrument, matches in getattr(storage, "_instrument_view_instrument_matches", {}).items():
            if getattr(instrument, "instrumentation_scope", None) and instrument.instrumentation_scope.name == c.SCOPE:
                for match in matches:
                    _forget(match)


def _forget(match: Any) -> None:
    if hasattr(match, "_attributes_aggregation") and hasattr(match, "_lock"):
        match._attributes_aggregation = {}  # noqa: SLF001 - there is no public way
        # A thread of the parent may have held it.
        match._lock = threading.Lock()  # noqa: SLF001 - no public name
