"""CPU time of a job that does nothing, put and run in one process: bare, by hand, with jobspan, and with others."""

from __future__ import annotations

from collections import defaultdict

from benchmarks.children import Child, children, in_turn
from benchmarks.contenders import (
    BARE,
    CONTENDERS,
    FLOOR,
    FLOOR_METRICS,
    JOBSPAN,
    JOBSPAN_METRICS,
    JOBSPAN_NO_RECORD,
    JOBSPAN_NO_SDK,
    JOBSPAN_UNSAMPLED,
    PEER,
    PEER_NO_SDK,
    PEER_UNSAMPLED,
    SDK_ALONE,
    SDK_WITH_LOADER,
)
from benchmarks.figures import Figure, figure
from benchmarks.libraries import LIBRARIES

_GENERATIONS, _ROUNDS, _JOBS = 3, 12, 200
_MICRO = 1e6
_COMPARED = tuple(name for name in CONTENDERS if name not in {SDK_ALONE, SDK_WITH_LOADER})

# What is held against what, and the most that the one may add to a job as a multiple of what the other adds.
_RATIOS: tuple[tuple[str, str, float | None], ...] = (
    (JOBSPAN_NO_RECORD, FLOOR, 1.15),
    (JOBSPAN_METRICS, FLOOR_METRICS, 1.15),
    (JOBSPAN, FLOOR, None),
    (JOBSPAN_NO_RECORD, PEER, 1.0),
    (JOBSPAN, PEER, None),
    (JOBSPAN, "sentry-sdk", None),
    (JOBSPAN, "ddtrace", None),
    (JOBSPAN_UNSAMPLED, PEER_UNSAMPLED, 0.3),
    (JOBSPAN_NO_SDK, PEER_NO_SDK, None),
)
_MOST_NO_SDK = 15.0


def measure() -> list[Figure]:
    """Measure both libraries."""
    return [found for library in LIBRARIES for found in _of(library)]


def _of(library: str) -> list[Figure]:
    # A process's layout in memory is luck, so there are several of each.
    rounds: list[dict[str, float]] = []
    for _ in range(_GENERATIONS):
        rounds += _generation(library)
    group = f"per job, {library}"
    added = {name: [each[name] - each[BARE] for each in rounds] for name in _COMPARED if name != BARE}
    figures = [figure(group, "bare job", "µs", [each[BARE] for each in rounds])]
    for name, values in added.items():
        aim = _MOST_NO_SDK if name == JOBSPAN_NO_SDK else None
        figures.append(figure(group, f"added by {name}", "µs", values, aim=aim))
    for one, other, aim in _RATIOS:
        ratios = [mine / its for mine, its in zip(added[one], added[other], strict=True) if its > 0]
        figures.append(figure(group, f"{one} ÷ {other}", "times", ratios, aim=aim))
    return figures


def _generation(library: str) -> list[dict[str, float]]:
    """Return the CPU of a job in µs, by contender, of each round."""
    found: dict[int, dict[str, float]] = defaultdict(dict)
    with children("benchmarks.contender", [(library, name) for name in _COMPARED]) as started:
        asked = {name: child for (_, name), child in started.items()}
        _assert_the_same(asked)
        for name, child in asked.items():
            _measured(library, name, child)  # warm
        for number, name in in_turn(list(asked), _ROUNDS):
            found[number][name] = _measured(library, name, asked[name])
    return list(found.values())


def _measured(library: str, name: str, child: Child) -> float:
    answer = child.ask(f"measure {_JOBS}")
    expected = CONTENDERS[name].expected(library) * _JOBS
    assert answer["spans"] == expected, f"{name}: {answer['spans']} spans of {library} left, expected {expected}"
    return float(answer["publish_s"] + answer["run_s"]) / _JOBS * _MICRO


def _assert_the_same(asked: dict[str, Child]) -> None:
    for floor, name in ((FLOOR, JOBSPAN), (FLOOR_METRICS, JOBSPAN_METRICS)):
        by_hand, ours = (asked[each].ask("show") for each in (floor, name))
        assert bool(ours["metrics"]) == CONTENDERS[name].has_meter, f"{name}: measured {ours['metrics']}"
        assert by_hand == ours, f"{floor} and {name} do not emit the same:\n{by_hand}\n{ours}"
