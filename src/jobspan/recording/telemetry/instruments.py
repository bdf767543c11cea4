"""What the writers write with: tracer, meter, logger and settings, and the few steps that all spans share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from opentelemetry.metrics import MeterProvider, get_meter
from opentelemetry.trace import (
    NoOpTracer,
    ProxyTracerProvider,
    Span,
    SpanContext,
    Status,
    StatusCode,
    Tracer,
    TracerProvider,
    get_tracer,
    get_tracer_provider,
)

from jobspan import conventions as c
from jobspan.jobs import Job
from jobspan.recording.attributes.exception_text import ExceptionText, describe
from jobspan.recording.context.option_resolver import OptionResolver
from jobspan.recording.safety import dropped
from jobspan.recording.safety.interrupts import is_interrupt
from jobspan.recording.sdk.sampling import DropPrediction
from jobspan.recording.sdk.span_start import SpanStarter
from jobspan.recording.telemetry.log_events import LogEvents
from jobspan.recording.telemetry.metrics import Metrics
from jobspan.settings import Settings

_logger = logging.getLogger("jobspan.recording")
_said_no_sdk = False

UserHook = Callable[[Span, Job], None]


class Instruments:
    """Tracer, metrics, log events and settings of one recorder."""

    def __init__(
        self,
        settings: Settings,
        version: str,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: Any = None,
        publish_hook: UserHook | None = None,
        run_hook: UserHook | None = None,
    ) -> None:
        self.settings = settings
        self.options = OptionResolver(settings)
        self.publish_hook, self.run_hook = publish_hook, run_hook
        self._tracer = get_tracer(c.SCOPE, version, tracer_provider, schema_url=c.SCHEMA_URL)
        self._has_own_ids = self._has_sdk = False
        self._unseen = DropPrediction()
        self.span_starter = SpanStarter()
        self.logs = LogEvents(settings, version, logger_provider)
        meter = get_meter(c.SCOPE, version, meter_provider, schema_url=c.SCHEMA_URL)
        dropped.observe_with(meter)
        self.metrics = Metrics(meter)

    @property
    def tracer(self) -> Tracer:
        """Return our tracer; ids are our own from the first span on, for the provider may be set after us."""
        if not self._has_own_ids:
            self._has_own_ids = give_own_ids(self._tracer)
        return self._tracer

    @property
    def has_sdk(self) -> bool:
        """Say whether spans can be recorded; the SDK may be set up after us."""
        if not self._has_sdk:
            self._has_sdk = not isinstance(_real(self._tracer), NoOpTracer)
        return self._has_sdk

    def will_be_dropped(self, parent: SpanContext) -> bool:
        """Say whether no exporter would take a span below this one; below none, if that is not valid."""
        has_sdk = self._has_sdk or self.has_sdk
        return not has_sdk or self._unseen.is_dropped(self._tracer, parent)

    def unsampled_span(self) -> Span | None:
        """Return a span of a new trace that is not sampled, without asking the sampler; None without an SDK."""
        if not (self._has_sdk or self.has_sdk):
            return None
        from jobspan.recording.sdk import ids

        return ids.unsampled_span(self.tracer)

    def exception_text(self, error: BaseException) -> ExceptionText:
        """Put an exception into words as the settings ask for."""
        return describe(error, frames=self.settings.stack_frames, with_message=self.settings.exception_message)

    def record_exception(self, span: Span, text: ExceptionText, event_name: str, at_ns: int) -> None:
        """Record an exception as span event, as log event or as both."""
        if self.settings.exception_signal != "logs":
            span.add_event(c.EXCEPTION_EVENT, text.attributes(), timestamp=at_ns)
        if self.settings.exception_signal:
            self.logs.exception(event_name, span, text, at_ns)


def call_hook(hook: UserHook | None, span: Span, job: Job) -> None:
    """Let the user's hook add to a span; what it raises is counted and logged once."""
    if hook is None or not span.is_recording():
        return
    try:
        hook(span, job)
    except Exception as error:
        if is_interrupt(error):
            raise
        dropped.count(f"{dropped.HOOK_ERROR}:user", f"{hook!r} raised {error!r}", error=error)


def _real(tracer: Tracer) -> object:
    # The API's tracer of before a provider was set wraps the real one.
    return getattr(tracer, "_tracer", tracer)


def give_own_ids(tracer: Tracer) -> bool:
    """Make the ids of a tracer independent of ``random.seed``; True when there is nothing left to do."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return False
    from jobspan.recording.sdk import ids

    return ids.give_to(tracer)


def set_error(span: Span, error_type: str, message: str | None) -> None:
    """Set status ERROR, its description and ``error.type`` together."""
    span.set_attribute(c.ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, message))


def say_once_that_nothing_records() -> None:
    """Log, once a process, that spans go nowhere because no SDK is set up."""
    global _said_no_sdk  # noqa: PLW0603 - once a process
    if _said_no_sdk or not isinstance(get_tracer_provider(), ProxyTracerProvider):
        return
    _said_no_sdk = True
    _logger.warning(
        "jobs are instrumented but no OpenTelemetry SDK is set up, so nothing is recorded: "
        "pip install 'jobspan[otlp]' and start the process with opentelemetry-instrument"
    )
