"""What measuring a run adds to it, in µs: ``python tests/benchmarks/probes.py``."""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable, Mapping
from multiprocessing import get_context

from jobspan.events import CpuScope
from jobspan.probes.run_cost import RunCost

_TIMES, _ROUNDS = 5_000, 7


def microseconds() -> Mapping[str, float]:
    """Return µs a run by what is measured, the best of several rounds."""
    found = {
        "counted only": _measured(_count),
        "cpu": _measured(_measure_cpu),
        "memory, alone: exact": _measured(lambda: _measure_memory(may_reset=True)),
        "memory, alone: sampled": _measured(lambda: _measure_memory(may_reset=False)),
    }
    for beside in (1, 7, 100):
        others = [RunCost() for _ in range(beside)]
        for run in others:
            run.begin()
        found[f"memory, beside {beside}"] = _measured(lambda: _measure_memory(may_reset=True))
    return found


def _measured(once: Callable[[], None]) -> float:
    return min(timeit.repeat(once, number=_TIMES, repeat=_ROUNDS)) / _TIMES * 1e6


def _count() -> None:
    run = RunCost()
    run.begin()
    run.end()


def _measure_cpu() -> None:
    run = RunCost()
    run.measure_cpu(CpuScope.THREAD)
    run.cpu_s()


def _measure_memory(*, may_reset: bool) -> None:
    run = RunCost()
    run.begin()
    run.measure_memory(may_reset=may_reset)
    run.memory()
    run.end()


def _print() -> None:
    for what, spent_us in microseconds().items():
        sys.stdout.write(f"{what:24} {spent_us:6.1f} µs\n")


if __name__ == "__main__":
    # In a forked process, as most workers' are: what is known of its mark is read from the quicker place.
    child = get_context("fork").Process(target=_print)
    child.start()
    child.join()
