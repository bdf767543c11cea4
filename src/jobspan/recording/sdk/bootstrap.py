"""Set the SDK up as ``opentelemetry-instrument`` would, and instrument nothing."""

from __future__ import annotations

import logging

from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

_logger = logging.getLogger("jobspan.setting_up")


def set_up() -> bool:
    """Have the installed distribution and configurator make the providers; False where there is no SDK.

    Does nothing where they are made already.
    """
    if not isinstance(get_tracer_provider(), ProxyTracerProvider):
        return True
    try:
        from opentelemetry.instrumentation.auto_instrumentation import _load

        _load._load_distro().configure()  # noqa: SLF001 - no public name (0.59b0 to 0.66b2)
        _load._load_configurators()  # type: ignore[no-untyped-call]  # noqa: SLF001 - no public name
    except Exception as error:  # noqa: BLE001 - telemetry that cannot be set up must not keep a program from running
        _logger.warning("OpenTelemetry could not be set up: %r", error)
    return not isinstance(get_tracer_provider(), ProxyTracerProvider)
