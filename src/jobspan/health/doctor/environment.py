"""Whether the variables of OpenTelemetry and of jobspan mean what their user thinks. Values in, findings out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from jobspan.health.doctor import critical, fine, unknown, warning
from jobspan.health.findings import Finding
from jobspan.reading_settings import misread

SIGNALS = ("traces", "metrics", "logs")
_PROTOCOLS = ("grpc", "http/protobuf")
_GRPC_PORT, _HTTP_PORT = 4317, 4318
_OURS = "OTEL_PYTHON_JOBSPAN_"
_ALIKE = 0.85
_DROPS = ("always_off", "parentbased_always_off")
_GEVENT = "OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH"


def variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield unknown names and values that are not allowed; one fine finding where there are none."""
    known = _known()
    found = [_unknown(name, known) for name in sorted(environ) if name.startswith("OTEL_") and name not in known]
    troubles = [finding for finding in found if finding]
    troubles += [warning("variable", said, "write one of the values that are expected") for said in misread(environ)]
    troubles += _values(environ)
    yield from troubles or [fine("variable", f"{sum(name.startswith('OTEL_') for name in environ)} OTEL_* variables")]


def exporters(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield whether and how each signal leaves."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield critical("exporter", "OTEL_SDK_DISABLED=true: nothing is recorded", "unset OTEL_SDK_DISABLED")
    if environ.get("OTEL_CONFIG_FILE"):
        yield _config_file(Path(environ["OTEL_CONFIG_FILE"]))
        return
    for signal in SIGNALS:
        yield _exporter(signal, environ)
    yield _sampler(environ)


def gevent(environ: Mapping[str, str]) -> Finding:
    """Return whether OpenTelemetry's threads would start after gevent replaces threading."""
    from importlib.util import find_spec

    said = environ.get(_GEVENT)
    if said is not None and said != "patch_all":
        return warning("gevent", f"{_GEVENT}={said}: expected patch_all", f"set {_GEVENT}=patch_all, or unset it")
    if said:
        return fine("gevent", "patches before OpenTelemetry starts its threads")
    if find_spec("gevent") is None:
        return fine("gevent", "is not installed")
    return unknown(
        "gevent", "is installed; whether a worker uses it is not seen here", f"with -P gevent set {_GEVENT}=patch_all"
    )


def exporter_of(signal: str, environ: Mapping[str, str]) -> str | None:
    """Return the entry point of the OTLP exporter of a signal; None where it goes elsewhere or nowhere."""
    asked = [name.strip() for name in _asked(signal, environ).split(",")]
    if "otlp" in asked:
        return "otlp_proto_http" if protocol(signal, environ).startswith("http") else "otlp_proto_grpc"
    return next((name for name in asked if name.startswith("otlp_proto_")), None)


def protocol(signal: str, environ: Mapping[str, str]) -> str:
    """Return the OTLP protocol of a signal."""
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
    return (own or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "grpc").strip()


def _asked(signal: str, environ: Mapping[str, str]) -> str:
    said = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    # opentelemetry-distro sets it where its user does not; the SDK alone exports nothing.
    return said or ("otlp" if entry_points(group="opentelemetry_distro") else "none")


def _exporter(signal: str, environ: Mapping[str, str]) -> Finding:
    name = f"OTEL_{signal.upper()}_EXPORTER"
    asked = _asked(signal, environ)
    if asked.lower() == "none":
        if signal == "traces":
            return critical("exporter", f"{name} is none: no span leaves", f"set {name}=otlp")
        return fine("exporter", f"no {signal}: {name} is none")
    for one in (part.strip() for part in asked.split(",")):
        if one != "otlp" and not entry_points(group=f"opentelemetry_{signal}_exporter", name=one):
            return critical("exporter", f"{name}={one}: no such exporter is installed", f"set {name}=otlp")
    if exporter_of(signal, environ) is None:
        return fine("exporter", f"{signal} go to {asked}")
    return _endpoint(signal, environ)


def _endpoint(signal: str, environ: Mapping[str, str]) -> Finding:
    spoken = protocol(signal, environ)
    if spoken not in _PROTOCOLS:
        seen = f"OTEL_EXPORTER_OTLP_PROTOCOL={spoken} for {signal}: expected {' or '.join(_PROTOCOLS)}"
        return critical("exporter", seen, "set one of these")
    port = _port(signal, environ)
    if (spoken, port) in (("grpc", _HTTP_PORT), (_PROTOCOLS[1], _GRPC_PORT)):
        right = _HTTP_PORT if spoken != "grpc" else _GRPC_PORT
        seen = f"{signal} go to port {port} over {spoken}: that is usually the other protocol's port"
        return warning("exporter", seen, f"use port {right}, or OTEL_EXPORTER_OTLP_PROTOCOL of the other")
    return fine("exporter", f"{signal} go over {spoken}")


def _port(signal: str, environ: Mapping[str, str]) -> int | None:
    own = environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    try:
        return urlsplit(own or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")).port
    except ValueError:
        return None


def _sampler(environ: Mapping[str, str]) -> Finding:
    name, share = environ.get("OTEL_TRACES_SAMPLER", "").strip(), environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if name in _DROPS:
        return critical("sampler", f"OTEL_TRACES_SAMPLER={name} records no trace", "unset OTEL_TRACES_SAMPLER")
    if name and not entry_points(group="opentelemetry_traces_sampler", name=name):
        return warning("sampler", f"OTEL_TRACES_SAMPLER={name}: no such sampler", "use parentbased_traceidratio")
    if name.endswith("traceidratio"):
        return _ratio(name, share)
    return fine("sampler", name or "every trace is recorded")


def _ratio(name: str, share: str) -> Finding:
    try:
        kept = float(share or 1)
    except ValueError:
        kept = -1
    if not 0 <= kept <= 1:
        return warning("sampler", f"OTEL_TRACES_SAMPLER_ARG={share}: expected 0 to 1", "write a share, as 0.1")
    if kept < 1:
        return warning(
            "sampler",
            f"{name} keeps {kept:.3g} of the traces",
            "failed jobs are among the rest, too: sample in the Collector",
        )
    return fine("sampler", f"{name} keeps all traces")


def _config_file(path: Path) -> Finding:
    try:
        from opentelemetry.configuration import load_config_file

        load_config_file(str(path))
    except ImportError:
        return critical(
            "exporter",
            "OTEL_CONFIG_FILE is set, and what reads it is missing",
            "pip install opentelemetry-configuration",
        )
    except Exception as error:  # noqa: BLE001 - whatever the SDK's reader raises
        return critical(
            "exporter", f"{path} cannot be read: {type(error).__name__}", "correct it, or unset OTEL_CONFIG_FILE"
        )
    return fine("exporter", f"{path} is read; the OTEL_* variables of exporters and samplers do not hold beside it")


def _known() -> frozenset[str]:
    modules = [entry.load() for entry in entry_points(group="opentelemetry_environment_variables")]
    return frozenset(name for module in modules for name in vars(module) if name.startswith("OTEL_"))


def _unknown(name: str, known: frozenset[str]) -> Finding | None:
    alike = get_close_matches(name, known, n=1, cutoff=_ALIKE)
    if not alike and not name.startswith(_OURS):
        return None  # of some other library
    remedy = f"did you mean {alike[0]}?" if alike else "see Configuration in the documentation"
    return warning("variable", f"{name} is no variable that is known", remedy)


def _values(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name in environ:
        said = environ[name].strip()
        if name.startswith(("OTEL_BSP_", "OTEL_BLRP_", "OTEL_METRIC_EXPORT_")) and said and not said.isdecimal():
            yield warning("variable", f"{name}={said}: expected a whole number", "write one, milliseconds or a count")
    for propagator in filter(None, map(str.strip, environ.get("OTEL_PROPAGATORS", "").split(","))):
        if propagator != "none" and not entry_points(group="opentelemetry_propagator", name=propagator):
            yield critical("variable", f"OTEL_PROPAGATORS={propagator}: not installed", "use tracecontext,baggage")
