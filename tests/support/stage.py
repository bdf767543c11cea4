"""Everything that a broker test needs, set up: a broker of its own, a collector, a diary, and workers on call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobspan import conventions as c
from support.diary import Diary
from support.otlp import Collector
from support.otlp_values import Point
from support.servers import Broker
from support.waiting import wait_until
from support.workers import TESTS, CeleryWorker, DramatiqWorker, Instrumented, Surroundings, Telemetry


class Stage:
    """One test's servers and programs. What it starts it stops, and then reads their logs for unannounced trouble.

    Attributes:
        broker: where jobs wait.
        collector: what all programs export to.
        diary: what the jobs really did.
        expected_drops: reasons of ``jobspan.telemetry.dropped`` that this test provokes.
        around: the programs' environment; ``set`` and ``export`` change it for those that start later.
    """

    def __init__(self, broker: Broker, collector: Collector, folder: Path) -> None:
        self.broker, self.collector, self.folder = broker, collector, folder
        self.diary = Diary(folder / "diary.jsonl")
        self.around = Surroundings(broker.url, self.diary.path, folder, Telemetry(collector.grpc_endpoint))
        self.expected_drops: set[str] = set()
        self._programs = ExitStack()
        self._names: set[str] = set()

    def set(self, **variables: str) -> None:
        """Give further environment variables to the programs that start from now on."""
        self.around = replace(self.around, extra={**self.around.extra, **variables})

    def export(self, **changes: Any) -> None:
        """Change fields of ``Telemetry`` for the programs that start from now on."""
        self.around = replace(self.around, telemetry=replace(self.around.telemetry, **changes))

    def export_over_http(self) -> None:
        """Let the programs that start from now on export over HTTP instead of gRPC."""
        self.export(endpoint=self.collector.http_endpoint, protocol="http/protobuf")

    def celery(self, **options: Any) -> CeleryWorker:
        """Start a Celery worker (options of ``CeleryWorker``) that is stopped at the end of the test."""
        worker = CeleryWorker(self.around, **{"name": self._free_name("celery"), **options})
        self._programs.enter_context(worker)
        return worker

    def dramatiq(self, **options: Any) -> DramatiqWorker:
        """Start a Dramatiq worker (options of ``DramatiqWorker``) that is stopped at the end of the test."""
        worker = DramatiqWorker(self.around, **{"name": self._free_name("dramatiq"), **options})
        self._programs.enter_context(worker)
        return worker

    def program(self, *args: str, name: str = "program", expect: Sequence[str] = ()) -> Instrumented:
        """Start any other program under ``opentelemetry-instrument``, e.g. Celery beat."""
        program = Instrumented(args, self.around, name=self._free_name(name), expect=expect)
        self._programs.enter_context(program)
        return program

    def run(self, *args: str, name: str = "command", expect: Sequence[str] = (), deadline_s: float = 100) -> int:
        """Run a program under ``opentelemetry-instrument`` to its end and return its exit code."""
        with Instrumented(args, self.around, name=self._free_name(name), expect=expect) as program:
            return program.wait(deadline_s)

    def put(self, *jobs: str, exit_code: int = 0) -> int:
        """Run the console command that puts jobs, each ``{framework}:{job}`` or ``{framework}:{job}={JSON}``."""
        command = str(TESTS / "apps" / "command.py")
        return self.run("python", command, "put", *jobs, "--exit", str(exit_code))

    def wait_until_ended(self, runs: int, *, deadline_s: float = 60) -> None:
        """Wait until so many runs have ended according to the diary."""
        wait_until(lambda: self.diary.ended >= runs, deadline_s=deadline_s, what=f"{runs} runs end")

    def close(self) -> None:
        """Stop all programs, last one first; fails on trouble in their logs and on drops that they counted."""
        self._programs.close()
        dropped = {point.attributes.get(c.REASON) for point in self.collector.points if _counts_a_drop(point)}
        assert dropped <= self.expected_drops, f"telemetry was dropped and the test did not expect it: {dropped}"

    def _free_name(self, base: str) -> str:
        name = next(name for name in (base, *(f"{base}{n}" for n in range(2, 1000))) if name not in self._names)
        self._names.add(name)
        return name


def _counts_a_drop(point: Point) -> bool:
    return point.name == c.METRIC_TELEMETRY_DROPPED and point.value != 0
