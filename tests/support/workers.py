"""Real workers and commands as subprocesses under ``opentelemetry-instrument``, in the shipped configuration."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from support.diary import TEST_DIARY
from support.processes import Program

if TYPE_CHECKING:
    from typing_extensions import Self

TESTS = Path(__file__).parent.parent
TEST_BROKER_URL = "TEST_BROKER_URL"

DELIBERATE = r"^apps\.errors\.|^dramatiq\.errors\.Retry"
"""Exceptions that the applications raise on purpose."""

_DEVELOPERS_OWN = ("OTEL_", "JOBSPAN_", "CELERY_", "dramatiq_", "PYTHONPATH")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CELERY_PREFIX = re.compile(r"(?m)^\[[^\]]*: [A-Z]+/[^\]]*\] ")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(:|$)")
_TRACEBACK = "Traceback (most recent call last)"
_TROUBLE = re.compile(
    r"\bdropp(ed|ing)\b|failed to export|exception while exporting|transient error|"
    r"error in sitecustomize|(instrument|import)ing of .* failed",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where a program exports to; the delays are short so that tests need not wait.

    Attributes:
        endpoint: value of ``OTEL_EXPORTER_OTLP_ENDPOINT``; None leaves the default (nobody listens there).
        protocol: ``grpc`` or ``http/protobuf``.
        batch_delay_ms: of the batch processors of spans and logs; None leaves the SDK's 5 s.
        metric_interval_ms: of the metric reader.
    """

    endpoint: str | None
    protocol: str = "grpc"
    batch_delay_ms: int | None = 100
    metric_interval_ms: int = 500

    def variables(self) -> dict[str, str]:
        """Return the ``OTEL_*`` variables."""
        given = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": self.protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": self.batch_delay_ms,
            "OTEL_BLRP_SCHEDULE_DELAY": self.batch_delay_ms,
            "OTEL_METRIC_EXPORT_INTERVAL": self.metric_interval_ms,
        }
        return {name: str(value) for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the programs of one test share: broker, diary, collector, folder, further variables."""

    broker_url: str
    diary_path: Path
    folder: Path
    telemetry: Telemetry
    extra: Mapping[str, str] = field(default_factory=dict)

    def environment(self, service: str) -> dict[str, str]:
        """Return a program's whole environment: nothing of the developer's own settings is in it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_DEVELOPERS_OWN)}
        return {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "PYTHONPATH": f"{self.folder}{os.pathsep}{TESTS}",
            "PYTHONUNBUFFERED": "1",
            "OTEL_SERVICE_NAME": service,
            TEST_BROKER_URL: self.broker_url,
            TEST_DIARY: str(self.diary_path),
            "OTEL_PYTHON_JOBSPAN_STATE_DIR": str(self.folder / "flight"),
            # What else is installed beside us is switched on by the tests that are about it.
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,click",
            **self.telemetry.variables(),
            **self.extra,
        }


def script(name: str) -> str:
    """Return the console script of this name beside the interpreter."""
    return str(Path(sys.executable).with_name(name))


def instrumented(*args: str) -> list[str]:
    """Put a command line under ``opentelemetry-instrument``."""
    return [script("opentelemetry-instrument"), *args]


class Instrumented(Program):
    """Any program under ``opentelemetry-instrument``; its log must be free of trouble that the test did not announce.

    Args:
        expect: regular expressions of troubles that this test provokes, besides the applications' own exceptions.
    """

    def __init__(
        self, args: Sequence[str], around: Surroundings, *, name: str, expect: Sequence[str] = (), stop_s: float = 15
    ) -> None:
        super().__init__(
            instrumented(*args), env=around.environment(name), folder=around.folder, name=name, stop_s=stop_s
        )
        self.expect = tuple(expect)

    def check_log(self) -> None:
        """Fail on tracebacks, drops and failed exports that were not announced."""
        found = troubles(self.log, expect=self.expect)
        assert not found, f"{self.name} logged trouble that the test did not announce:\n" + "\n".join(found)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None:
            self.check_log()


class CeleryWorker(Instrumented):
    """A Celery worker, ready when it says so."""

    def __init__(
        self,
        around: Surroundings,
        *,
        app: str = "apps.celery_app",
        pool: str = "prefork",
        concurrency: int = 2,
        args: Sequence[str] = (),
        queues: str = "work",
        name: str = "celery",
        expect: Sequence[str] = (),
        stop_s: float = 15,
    ) -> None:
        # Without mingle and gossip a worker starts a second earlier.
        command = [script("celery"), "-A", app, "worker", "--loglevel", "INFO", "--pool", pool]
        command += ["--concurrency", str(concurrency), "--queues", queues, "--hostname", f"{name}@%h"]
        command += ["--without-mingle", "--without-gossip", *args]
        super().__init__(command, around, name=name, expect=expect, stop_s=stop_s)

    def start(self) -> Self:
        """Start it and wait until it takes jobs."""
        said_before = self.log.count(" ready.")
        super().start()
        self.wait_for_log(" ready.", times=said_before + 1)
        return self


class DramatiqWorker(Instrumented):
    """A Dramatiq worker, ready when each of its processes says so."""

    def __init__(
        self,
        around: Surroundings,
        *,
        module: str = "apps.dramatiq_app",
        processes: int = 1,
        threads: int = 2,
        args: Sequence[str] = (),
        name: str = "dramatiq",
        expect: Sequence[str] = (),
        stop_s: float = 15,
    ) -> None:
        command = [script("dramatiq"), module, "--processes", str(processes), "--threads", str(threads), *args]
        self.processes = processes
        super().__init__(command, around, name=name, expect=expect, stop_s=stop_s)

    def start(self) -> Self:
        """Start it and wait until all its processes take jobs."""
        said_before = self.log.count("Worker process is ready")
        super().start()
        self.wait_for_log("Worker process is ready", times=said_before + self.processes)
        return self


def troubles(log: str, *, expect: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the lines of a log that tell of trouble: uncaught exceptions, drops, failed exports.

    Args:
        log: a program's output.
        expect: regular expressions; an exception or line that one of them finds is no trouble.
    """
    lines = _CELERY_PREFIX.sub("", _ANSI.sub("", log)).splitlines()
    exceptions = [_raised(lines, number) for number, line in enumerate(lines) if _TRACEBACK in line]
    said = [line for line in lines if _TROUBLE.search(line)]
    return tuple(
        line for line in exceptions + said if not any(re.search(known, line) for known in (DELIBERATE, *expect))
    )


def _raised(lines: Sequence[str], number: int) -> str:
    """Return the line that names the exception of the traceback at ``number``: no deeper than it, and like a name.

    Celery redirects stderr to its log piece by piece, so that lines of source may stand there without indent.
    """
    depth = _depth(lines[number])
    named = (line for line in lines[number + 1 :] if _depth(line) <= depth and _EXCEPTION.match(line.lstrip(" +|")))
    return next(named, lines[number]).strip()


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" +|"))
