"""One contender in a process of its own, asked line by line: ``python -m benchmarks.contender LIBRARY NAME``.

measure 200    CPU of 200 jobs, put and run and exported to nowhere, and the spans that left
show           the spans of one job, in plain words, and what was measured until then
memory         what the process has resident
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

from benchmarks.contenders import CONTENDERS, Seen
from benchmarks.libraries import LIBRARIES, NOOP, Jobs
from benchmarks.spans_in_words import in_words, metrics_in_words


def main(library: str, name: str) -> None:
    """Answer each line of the input with a line of JSON."""
    seen = CONTENDERS[name].begin(library)
    jobs = LIBRARIES[library]()
    _say({"began_s": time.process_time()})
    answers: dict[str, Callable[..., dict[str, Any]]] = {
        "measure": lambda number: _measured(seen, jobs, int(number)),
        "show": lambda: _shown(seen, jobs),
        "memory": lambda: {"resident_bytes": psutil.Process().memory_info().rss},
    }
    for line in sys.stdin:
        word, *rest = line.split()
        _say(answers[word](*rest))
    # The worker's threads have nothing to tell.
    os._exit(0)


def _measured(seen: Seen, jobs: Jobs, number: int) -> dict[str, Any]:
    seen.flush()
    before = seen.count
    cpu = jobs.measure(number)
    flushing = time.process_time()
    seen.flush()
    flush_s = time.process_time() - flushing
    return {"publish_s": cpu.publish_s, "run_s": cpu.run_s + flush_s, "spans": seen.count - before}


def _shown(seen: Seen, jobs: Jobs) -> dict[str, Any]:
    seen.flush()
    kept: list[Any] = []
    seen.exporter.kept = kept
    jobs.measure(1)
    seen.flush()
    seen.exporter.kept = None
    measured = [] if seen.reader is None else metrics_in_words(seen.reader.get_metrics_data(), NOOP)
    return {"spans": in_words(kept), "metrics": measured}


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
