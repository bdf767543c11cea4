"""Log events: exceptions for those who opted in, and the start of long work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

from jobspan import conventions as c
from jobspan.recording.attributes.exception_text import ExceptionText
from jobspan.settings import Settings

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, SeverityNumber


class LogEvents:
    """Emits log events under a span; does nothing, and loads nothing, unless a setting asks for it."""

    def __init__(self, settings: Settings, version: str, logger_provider: Any = None) -> None:
        self._started = settings.started_events
        self._logger: Logger | None = None
        if self._started or settings.exception_signal:
            from opentelemetry._logs import get_logger

            self._logger = get_logger(c.SCOPE, version, logger_provider, schema_url=c.SCHEMA_URL)

    def exception(self, name: str, span: Span, text: ExceptionText, at_ns: int) -> None:
        """Emit ``messaging.process.exception`` (ERROR) or ``messaging.send.exception`` (WARN)."""
        from opentelemetry._logs import SeverityNumber

        severity = SeverityNumber.WARN if name == c.EVENT_SEND_EXCEPTION else SeverityNumber.ERROR
        self._emit(name, severity, span, text.attributes(), at_ns)

    def started(self, name: str, span: Span, attributes: Mapping[str, Any], at_ns: int) -> None:
        """Emit ``jobspan.job.started`` or ``jobspan.command.started`` when the setting asks for them."""
        if not self._started:
            return
        from opentelemetry._logs import SeverityNumber

        self._emit(name, SeverityNumber.INFO, span, attributes, at_ns)

    def _emit(self, name: str, severity: SeverityNumber, span: Span, attributes: Mapping[str, Any], at_ns: int) -> None:
        if self._logger is None:
            return
        self._logger.emit(
            timestamp=at_ns,
            context=set_span_in_context(span, Context()),
            severity_number=severity,
            event_name=name,
            attributes=dict(attributes),
        )
