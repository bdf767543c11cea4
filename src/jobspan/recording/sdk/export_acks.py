"""Which spans the exporters have sent, and which they have given up."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from jobspan.recording.sdk.pipeline import exporters_of

OnExport = Callable[[Collection[int]], None]
"""Takes the ids of the spans of a batch."""

_MARK = "_jobspan_confirms"


def watch_exporters(exported: OnExport, provider: Any, failed: OnExport = lambda _: None) -> int:
    """Report the span ids of each batch that an exporter of a provider has sent, and of each that it has given up.

    Returns:
        how many exporters report; with none, it is not known what was sent.
    """
    found = 0
    for exporter in exporters_of(provider):
        found += hasattr(exporter, _MARK) or _wrap(exporter, exported, failed)
    return found


def _wrap(exporter: Any, exported: OnExport, failed: OnExport) -> bool:
    export = exporter.export

    def export_and_report(spans: Any, *args: Any, **kwargs: Any) -> Any:
        is_sent = False
        try:
            result = export(spans, *args, **kwargs)
            # SpanExportResult.SUCCESS, whose module is the SDK's; the SDK looks at no answer, and some give none.
            is_sent = result is None or getattr(result, "value", None) == 0
        finally:
            (exported if is_sent else failed)([span.context.span_id for span in spans])
        return result

    try:
        setattr(exporter, _MARK, True)
        exporter.export = export_and_report
    except AttributeError:
        return False  # it takes no attributes
    return True
