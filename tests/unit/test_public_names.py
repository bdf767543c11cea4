"""The public names: what the promise covers, pinned."""

from __future__ import annotations

from importlib.metadata import entry_points

import jobspan
import jobspan.settings


def test_the_public_names_are_these() -> None:
    assert sorted(jobspan.__all__) == [
        "CeleryInstrumentor",
        "CommandInstrumentor",
        "DramatiqInstrumentor",
        "JobspanError",
        "__version__",
        "command",
        "current_job",
        "options",
    ]
    assert all(hasattr(jobspan, name) for name in jobspan.__all__)


def test_auto_instrumentation_finds_each_instrumentor_under_its_own_name() -> None:
    found = {point.name: point.load().__name__ for point in entry_points(group="opentelemetry_instrumentor")}
    assert {name: kind for name, kind in found.items() if name.startswith("jobspan")} == {
        "jobspan_celery": "CeleryInstrumentor",
        "jobspan_dramatiq": "DramatiqInstrumentor",
        "jobspan_commands": "CommandInstrumentor",
    }


def test_every_setting_is_a_flag_of_opentelemetry_instrument() -> None:
    (point,) = (point for point in entry_points(group="opentelemetry_environment_variables") if point.name == "jobspan")
    names = {name for name in vars(point.load()) if name.startswith("OTEL_PYTHON_JOBSPAN_")}
    assert names == {
        setting.metadata["env"]
        for setting in jobspan.settings.Settings.__dataclass_fields__.values()
        if setting.metadata["env"].startswith("OTEL_PYTHON_")
    }
