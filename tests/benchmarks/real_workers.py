"""Throughput and latency of real workers on Redis with jobs of 5 ms: Celery prefork 2, Dramatiq with 8 threads.

Beside them a worker with the floor by hand says what anybody loses who emits such spans with the SDK.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

from benchmarks.children import Child, environment, in_turn
from benchmarks.contenders import BARE, FLOOR, JOBSPAN
from benchmarks.figures import Figure, figure
from benchmarks.queue_names import BROKER, CONTENDER, FILE, LIBRARY
from support.processes import Program
from support.servers import Redis
from support.waiting import wait_until
from support.workers import script

_ROUNDS, _BURST, _PACED, _APART_S = 10, 1000, 100, 0.01
_EDGE = _BURST // 20
_NAMES = (BARE, FLOOR, JOBSPAN)
_APP = "benchmarks.queue_jobs"
_COMMANDS = {
    "celery": [script("celery"), "-A", _APP, "worker", "-l", "INFO", "-c", "2", "--without-mingle", "--without-gossip"],
    "dramatiq": [script("dramatiq"), _APP, "--processes", "1", "--threads", "8"],
}
_READY = {"celery": " ready.", "dramatiq": "Worker process is ready"}


class _Pair:
    """A worker and a producer of one contender, with a database and a diary of their own."""

    def __init__(self, library: str, name: str, redis: Redis, folder: Path, stack: ExitStack) -> None:
        self._diary = folder / f"{library}-{name}.diary"
        self._diary.touch()
        said = {LIBRARY: library, CONTENDER: name, BROKER: redis.database().url, FILE: str(self._diary)}
        env = environment(folder / "flight") | said
        worker = Program(_COMMANDS[library], env=env, folder=folder, name=f"{library}-{name}")
        stack.enter_context(worker).wait_for_log(_READY[library])
        self._producer = Child(_APP, [], env)
        stack.callback(self._producer.close)

    def burst(self) -> float:
        """Return how many jobs a second were done, of many that wait: when all are put, until few are left."""
        told = self._done(_BURST, 0)
        last_put = max(put for put, _, _ in told)
        ends = sorted(end for _, _, end in told if end > last_put)[:-_EDGE]
        return (len(ends) - 1) / (ends[-1] - ends[0]) * 1e9

    def latency_ms(self) -> float:
        """Return the median time from the call that puts a job to its begin, of jobs that find the worker idle."""
        return median(began - put for put, began, _ in self._done(_PACED, _APART_S)) / 1e6

    def _done(self, jobs: int, apart_s: float) -> list[tuple[int, ...]]:
        before = len(self._lines())
        self._producer.ask(f"put {jobs} {apart_s}")
        wait_until(lambda: len(self._lines()) >= before + jobs, deadline_s=60, what=f"{jobs} jobs are done")
        return [tuple(map(int, line.split())) for line in self._lines()[before:]]

    def _lines(self) -> list[str]:
        return self._diary.read_text().splitlines()


def measure() -> list[Figure]:
    """Measure both libraries, bare and with jobspan in turn."""
    figures = []
    for library in _COMMANDS:
        rates: dict[str, list[float]] = {name: [] for name in _NAMES}
        delays: dict[str, list[float]] = {name: [] for name in _NAMES}
        with _pairs(library) as pairs:
            for number, name in in_turn(list(pairs), _ROUNDS + 1):
                rate, delay = pairs[name].burst(), pairs[name].latency_ms()
                if number:  # the first is to warm
                    rates[name].append(rate)
                    delays[name].append(delay)
        lost = {
            name: [100 * (1 - mine / its) for mine, its in zip(rates[name], rates[BARE], strict=True)]
            for name in (FLOOR, JOBSPAN)
        }
        later = [mine - its for mine, its in zip(delays[JOBSPAN], delays[BARE], strict=True)]
        group = f"workers, {library}"
        figures += [
            figure(group, "bare", "jobs/s", rates[BARE]),
            figure(group, "jobspan", "jobs/s", rates[JOBSPAN]),
            figure(group, "throughput lost by the floor", "%", lost[FLOOR]),
            figure(group, "throughput lost", "%", lost[JOBSPAN], aim=5),
            figure(group, "bare, from put to begin", "ms", delays[BARE]),
            figure(group, "added from put to begin", "ms", later),
        ]
    return figures


@contextmanager
def _pairs(library: str) -> Iterator[dict[str, _Pair]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = Redis(folder)
        stack.callback(redis.stop)
        redis.start()
        yield {name: _Pair(library, name, redis, folder, stack) for name in _NAMES}
