"""Runs the benchmarks: ``python -m benchmarks [--out FILE.json] [GROUP …]``."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import fan_out, instructions, per_job, real_workers, report, single_steps, start_up, store
from benchmarks.figures import Figure

GROUPS: dict[str, Callable[[], list[Figure]]] = {
    "per-job": per_job.measure,
    "fan-out": fan_out.measure,
    "single-steps": single_steps.measure,
    "start-up": start_up.measure,
    "workers": real_workers.measure,
    "store": store.measure,
}
BY_NAME_ALONE: dict[str, Callable[[], list[Figure]]] = {"instructions": instructions.measure}
_OUT = Path(__file__).parents[2] / "build" / "bench.json"


def main() -> None:
    """Measure the groups that are asked for; by default all that need nothing but Python and Redis."""
    known = GROUPS | BY_NAME_ALONE
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(known))
    parser.add_argument("--out", type=Path, default=_OUT, help="where the JSON goes")
    asked = parser.parse_args()
    unknown = set(asked.groups) - set(known)
    if unknown:
        parser.error(f"no group {', '.join(sorted(unknown))}: expected some of {', '.join(known)}")
    began = time.monotonic()
    figures: list[Figure] = []
    for name in asked.groups or GROUPS:
        print(f"{name} …", flush=True)
        figures += known[name]()
    seconds = time.monotonic() - began
    report.show(figures, seconds)
    report.write(figures, seconds, asked.out)
    print(f"written to {asked.out}")


if __name__ == "__main__":
    main()
