"""Which instrumentations load here, which are of supported versions, and which record the same work as jobspan's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires, version

from jobspan.frameworks import TASK_LIBRARIES
from jobspan.health.doctor import critical, fine, unknown, warning
from jobspan.health.findings import Finding
from jobspan.settings import load

_GROUP = "opentelemetry_instrumentor"
_OURS = "jobspan_"
_DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_SILENCED = {"click": "jobspan_commands"} | {
    library.silenced: library.entry_point for library in TASK_LIBRARIES.values() if library.silenced
}
_RIVALS = [library.beside for library in TASK_LIBRARIES.values() if library.beside]
_BESIDE = {"ddtrace": "Datadog's", "sentry-sdk": "Sentry's"}
_LIBRARIES = [library.distribution for library in TASK_LIBRARIES.values()]
_EXTRAS = ("otlp", *_LIBRARIES)


def instrumentations(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is found of each entry point that ``opentelemetry-instrument`` loads, and of other tracers."""
    disabled = {name.strip() for name in environ.get(_DISABLED, "").split(",") if name.strip()}
    found = sorted(entry_points(group=_GROUP), key=lambda entry: (not entry.name.startswith(_OURS), entry.name))
    for entry in found:
        if disabled & {entry.name, "*"}:
            yield _disabled(entry.name)
        else:
            yield _loaded(entry) or _beside(entry.name, disabled, coexist=load(environ=environ).coexist)
    for rival in filter(_version, _RIVALS):
        yield warning("instrumentation", f"{rival} is installed: its spans come beside ours", f"uninstall {rival}")
    for name, whose in _BESIDE.items():
        if _version(name):
            yield fine("beside", f"{name} {_version(name)}: {whose} spans go where it sends them, ours are not touched")


def versions() -> Iterator[Finding]:
    """Yield for each library whether its version is supported."""
    from packaging.requirements import Requirement

    required = {
        need.name: need
        for need in map(Requirement, requires("jobspan") or ())
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in _EXTRAS)
    }
    for name, need in required.items():
        found = _version(name)
        if found is None and name in _LIBRARIES:
            yield unknown("version", f"{name} is not installed here", "install it here if your workers use it")
        elif found is None:
            yield critical("version", f"{name} is not installed", "pip install 'jobspan[otlp]'")
        elif not need.specifier.contains(found, prereleases=True):
            remedy = f"pip install '{name}{need.specifier}'"
            yield warning("version", f"{name} {found}: expected {need.specifier}", remedy)
        else:
            yield _tried(name, found)


def _tried(name: str, found: str) -> Finding:
    untried = next(
        (span[1] for entry in entry_points(group=_GROUP, name=f"{_OURS}{name}") if (span := _supported(entry))), None
    )
    numbers = tuple(map(int, re.findall(r"\d+", found)[:2]))
    if untried is not None and numbers >= untried:
        end = ".".join(map(str, untried))
        return warning(
            "version", f"{name} {found} has not been tried", f"use a version before {end}, or a newer jobspan"
        )
    return fine("version", f"{name} {found}")


def _supported(entry: EntryPoint) -> tuple[tuple[int, int], tuple[int, int]] | None:
    try:
        supported: tuple[tuple[int, int], tuple[int, int]] | None = getattr(entry.load(), "supported", None)
    except Exception:  # noqa: BLE001 - reported among the instrumentations
        return None
    return supported


def _disabled(name: str) -> Finding:
    if name.startswith(_OURS):
        return warning("instrumentation", f"{name} is disabled by {_DISABLED}", "take it out there to have its spans")
    return fine("instrumentation", f"{name} is disabled by {_DISABLED}")


def _loaded(entry: EntryPoint) -> Finding | None:
    """Load it as ``opentelemetry-instrument`` does; None: it is there."""
    from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

    try:
        conflict = get_dist_dependency_conflicts(entry.dist) if entry.dist else None
        if conflict:
            return fine("instrumentation", f"{entry.name} stays off: {conflict}")
        entry.load()
    except Exception as error:  # noqa: BLE001 - whatever an import raises
        seen = f"{entry.name} does not load: {type(error).__name__}: {error}"
        if entry.name.startswith(_OURS):
            return critical("instrumentation", seen, "repair what it imports: no span of this library is recorded")
        # Any other error than of an import ends the loading of all that come after it.
        return warning("instrumentation", seen, f"uninstall it, or add {entry.name} to {_DISABLED}")
    return None


def _beside(name: str, disabled: set[str], *, coexist: bool) -> Finding:
    replacement = _SILENCED.get(name)
    if replacement is None or replacement in disabled:
        return fine("instrumentation", f"{name} loads")
    if coexist:
        remedy = f"unset OTEL_PYTHON_JOBSPAN_COEXIST, or add {name} to {_DISABLED}"
        return warning("instrumentation", f"{name} and {replacement} both load: spans come twice", remedy)
    return fine("instrumentation", f"{name} is set aside while {replacement} is on")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
