"""Whether a data point of ours is what the conventions' table of metrics promises."""

from __future__ import annotations

from jobspan import conventions as c
from support.otlp_values import Histogram, Point

_TYPES = {"histogram": "histogram", "counter": "sum", "observable counter": "sum", "observable up-down counter": "sum"}
_KINDS = {"string": str, "int": int, "double": float, "bool": bool, "string[]": tuple}
_VALUES = {row.name: _KINDS[row.type] for row in c.ATTRIBUTES}
_SOMETIMES = frozenset({c.ERROR_TYPE, c.JOBSPAN_JOB_LOST_REASON, c.PROCESS_EXIT_CODE})


def breaches_of(point: Point) -> list[str]:
    """Say what a data point has that is not promised, or has not that is."""
    row = next((row for row in c.METRICS if row.name == point.name), None)
    if row is None:
        return [f"{point.name}: is not promised"]
    said = set(point.attributes)
    found = [f"{point.name}: {name} is not promised" for name in said - set(row.attributes)]
    found += [f"{point.name}: {name} is missing" for name in set(row.attributes) - said - _SOMETIMES]
    found += [
        f"{point.name}: {name} is {value!r}"
        for name, value in point.attributes.items()
        if type(value) is not _VALUES.get(name, str)
    ]
    if (point.type, point.unit, point.description) != (_TYPES[row.instrument], row.unit, row.meaning):
        found.append(f"{point.name}: is a {point.type} in {point.unit!r}: {point.description}")
    if point.monotonic is not None and point.monotonic is not (row.instrument != "observable up-down counter"):
        found.append(f"{point.name}: monotonic is {point.monotonic}")
    if isinstance(point.value, Histogram) and point.value.bounds != row.boundaries:
        found.append(f"{point.name}: has the boundaries {point.value.bounds}")
    return found
