"""The table of task libraries: each framework has a row, and what a row names is there."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec

import pytest

from jobspan.frameworks import TASK_LIBRARIES, TaskLibrary
from jobspan.jobs import Framework


def test_each_framework_has_its_row() -> None:
    assert [library.framework for library in TASK_LIBRARIES.values()] == list(TASK_LIBRARIES) == list(Framework)


@pytest.mark.parametrize("library", TASK_LIBRARIES.values(), ids=lambda library: library.title)
def test_a_row_names_the_entry_point_and_the_modules_of_its_library(library: TaskLibrary) -> None:
    (entry,) = entry_points(group="opentelemetry_instrumentor", name=library.entry_point)
    assert entry.value == library.instrumentor
    assert find_spec(library.canary) is not None
    assert "{queue}" in library.start_worker
