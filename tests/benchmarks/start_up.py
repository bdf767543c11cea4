"""Start-up and memory of a process that runs jobs, and of short programs: the SDK alone, and with jobspan on top."""

from __future__ import annotations

from collections import defaultdict

from benchmarks import short_programs
from benchmarks.children import children, in_turn
from benchmarks.contenders import JOBSPAN, SDK_ALONE, SDK_WITH_LOADER
from benchmarks.figures import Figure, figure
from benchmarks.libraries import LIBRARIES

_STARTS, _JOBS, _MANY, _AT_ONCE = 12, 200, 100_000, 500
_MIB = 2**20


def measure() -> list[Figure]:
    """Measure both libraries, programs that are over at once, and that memory stays where it is."""
    workers = [found for library in LIBRARIES for found in _of(library)]
    return [*workers, *short_programs.measure(), _growth()]


def _of(library: str) -> list[Figure]:
    began: dict[str, list[float]] = defaultdict(list)
    resident: dict[str, list[float]] = defaultdict(list)
    for _, name in in_turn([SDK_ALONE, SDK_WITH_LOADER, JOBSPAN], _STARTS):
        with children("benchmarks.contender", [(library, name)]) as started:
            (child,) = started.values()
            began[name].append(child.greeting["began_s"])
            child.ask(f"measure {_JOBS}")
            resident[name].append(child.ask("memory")["resident_bytes"])
    return [
        figure("start-up", f"{library}: {what} over {base}", unit, _differences(values, base, scale), aim=aim)
        for base in (SDK_ALONE, SDK_WITH_LOADER)
        for what, unit, values, scale, aim in (
            ("CPU at start", "ms", began, 1e3, 30),
            ("resident memory", "MiB", resident, 1 / _MIB, 5),
        )
    ]


def _differences(values: dict[str, list[float]], base: str, scale: float) -> list[float]:
    return [(mine - its) * scale for mine, its in zip(values[JOBSPAN], values[base], strict=True)]


def _growth() -> Figure:
    """Return how much a process grows over many jobs, once it is warm."""
    with children("benchmarks.contender", [("dramatiq", JOBSPAN)]) as started:
        (child,) = started.values()
        for _ in range(_MANY // _AT_ONCE // 10):
            child.ask(f"measure {_AT_ONCE}")
        before = child.ask("memory")["resident_bytes"]
        for _ in range(_MANY // _AT_ONCE):
            child.ask(f"measure {_AT_ONCE}")
        grown = (child.ask("memory")["resident_bytes"] - before) / _MIB
    return figure("start-up", f"dramatiq: grown over {_MANY:,} jobs", "MiB", [grown], aim=1)
