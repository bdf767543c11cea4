"""The jobs' own diary: what really ran, written by the jobs themselves and independent of any telemetry.

A JSON line for each event, appended in one write, so that processes and threads share the file. The environment
variable ``TEST_DIARY`` names it. Writers: the applications in ``tests/apps``. Reader: ``Diary``.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

TEST_DIARY = "TEST_DIARY"

_open_run = threading.local()


@dataclass(frozen=True, slots=True)
class TrueRun:
    """One attempt as the job lived it. ``delivery`` counts its beginnings; ``outcome`` None: it never ended.

    ``error_type`` is the qualified class of the exception that left the job, or that it gave as the reason of a retry.
    """

    framework: str
    job: str
    job_id: str
    attempt: int
    delivery: int
    pid: int
    began_ns: int
    ended_ns: int | None = None
    outcome: str | None = None
    final: bool | None = None
    error_type: str | None = None
    thread: int = 0


@dataclass(frozen=True, slots=True)
class TrueDrop:
    """One job that was done with before it ran."""

    framework: str
    job: str
    job_id: str
    outcome: str
    error_type: str | None
    exception: str | None


@dataclass(frozen=True, slots=True)
class TruePublish:
    """One job put on a queue: by a run (job id, attempt, delivery), by a command (its pid), or by nobody's span.

    ``is_cut_off``: its process died in the midst of the call.
    """

    framework: str
    job: str
    job_id: str
    attempt: int
    by_run: tuple[str, int, int] | None = None
    by_command: int | None = None
    is_cut_off: bool = False


@dataclass(frozen=True, slots=True)
class TrueCommand:
    """One console command as it lived."""

    name: str
    pid: int
    exit_code: int | None


class RunNotes:
    """What a job says about the run it is in."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.outcome, self.final = "succeeded", True
        self.error: BaseException | None = None
        self.is_asking = False

    def will(self, outcome: str, *, final: bool, error: BaseException | None = None) -> None:
        """Announce how this run ends, just before it does; ``error`` when it is not the exception that leaves it."""
        self.outcome, self.final, self.error = outcome, final, error

    def will_ask_again(self) -> None:
        """Announce a retry that no exception causes, only the library's own way of asking leaves the job."""
        self.will("retried", final=False)
        self.is_asking = True

    def will_be_ended(self, outcome: str, *, final: bool, error_type: str | None = None) -> None:
        """Write at once how another process is going to end this run: it may have no chance to do so later."""
        facts = {"outcome": outcome, "final": final, "error_type": error_type}
        _write(event="announce", run=self.token, **facts)


@contextmanager
def run(framework: str, job: str, job_id: str, attempt: int) -> Iterator[RunNotes]:
    """Write the begin and the end of a run around the job's body."""
    notes = RunNotes(f"{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}")
    _write(event="begin", run=notes.token, framework=framework, job=job, job_id=job_id, attempt=attempt)
    outer, _open_run.token = getattr(_open_run, "token", None), notes.token
    left_with: BaseException | None = None
    try:
        yield notes
    except BaseException as error:
        left_with = error
        raise
    finally:
        _open_run.token = outer
        if left_with is not None and notes.outcome == "succeeded":
            notes.will("failed", final=True)
        told = notes.error or (None if notes.is_asking else left_with)
        facts = {"outcome": notes.outcome, "final": notes.final, "error_type": told and _name(told)}
        _write(event="end", run=notes.token, **facts)


@contextmanager
def command(name: str) -> Iterator[None]:
    """Write the begin and the end of a console command around its body."""
    _write(event="command_begin", name=name)
    code: int | None = 1
    try:
        yield
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        raise
    finally:
        _write(event="command_end", name=name, exit_code=code)


def published(framework: str, job: str, job_id: str) -> None:
    """Write that a job was put on a queue, by the run or command that is open here."""
    _write(event="publish", run=getattr(_open_run, "token", None), framework=framework, job=job, job_id=job_id)


def dropped(
    framework: str, job: str, job_id: str, outcome: str, error_type: str | None = None, exception: str | None = None
) -> None:
    """Write that a job that was put will never run."""
    facts = {"outcome": outcome, "error_type": error_type, "exception": exception}
    _write(event="drop", framework=framework, job=job, job_id=job_id, **facts)


def trouble(what: str) -> None:
    """Write down what must not be."""
    _write(event="trouble", what=what)


def _write(**facts: Any) -> None:
    line = json.dumps({**facts, "pid": os.getpid(), "thread": threading.get_ident(), "time_ns": time.time_ns()}) + "\n"
    descriptor = os.open(os.environ[TEST_DIARY], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _name(error: BaseException) -> str:
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


class Diary:
    """Reads what the jobs wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def lines(self) -> tuple[Mapping[str, Any], ...]:
        """The raw events in the order of writing; a line still being written is left out."""
        text = self.path.read_text() if self.path.exists() else ""
        return tuple(json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n"))

    @property
    def runs(self) -> tuple[TrueRun, ...]:
        """Every run that began, in that order."""
        return tuple(self._runs().values())

    @property
    def ended(self) -> int:
        """How many runs have ended: what a test waits for."""
        return sum(true.ended_ns is not None for true in self.runs)

    @property
    def publishes(self) -> tuple[TruePublish, ...]:
        """Every publish: those that jobs and commands wrote down, and one for each run that was retried."""
        runs = self._runs()
        commands = {line["pid"] for line in self.lines if line["event"] == "command_begin"}
        written = tuple(_publish(line, runs, commands) for line in self.lines if line["event"] == "publish")
        return written + tuple(_retry_publish(true) for true in runs.values() if _is_put_back(true))

    @property
    def drops(self) -> tuple[TrueDrop, ...]:
        """Every job that never ran."""
        names = TrueDrop.__dataclass_fields__
        return tuple(TrueDrop(**{name: line[name] for name in names}) for line in self.lines if line["event"] == "drop")

    @property
    def troubles(self) -> tuple[str, ...]:
        """What a job saw that must not be."""
        return tuple(line["what"] for line in self.lines if line["event"] == "trouble")

    @property
    def commands(self) -> tuple[TrueCommand, ...]:
        """Every console command."""
        codes = {line["pid"]: line["exit_code"] for line in self.lines if line["event"] == "command_end"}
        return tuple(
            TrueCommand(line["name"], line["pid"], codes.get(line["pid"]))
            for line in self.lines
            if line["event"] == "command_begin"
        )

    def _runs(self) -> dict[str, TrueRun]:
        runs: dict[str, TrueRun] = {}
        deliveries: Counter[tuple[str, int]] = Counter()
        for line in self.lines:
            if line["event"] == "begin":
                deliveries[line["job_id"], line["attempt"]] += 1
                runs[line["run"]] = _begun(line, deliveries[line["job_id"], line["attempt"]])
            elif line["event"] == "end":
                runs[line["run"]] = _ended(runs[line["run"]], line)
            elif line["event"] == "announce":
                runs[line["run"]] = _told(runs[line["run"]], line)
        return runs


def _begun(line: Mapping[str, Any], delivery: int) -> TrueRun:
    return TrueRun(
        framework=line["framework"],
        job=line["job"],
        job_id=line["job_id"],
        attempt=line["attempt"],
        delivery=delivery,
        pid=line["pid"],
        began_ns=line["time_ns"],
        thread=line["thread"],
    )


def _ended(begun: TrueRun, line: Mapping[str, Any]) -> TrueRun:
    if begun.outcome is not None:
        # It was announced: whoever ends a run does not wait for it to unwind.
        return begun
    return replace(_told(begun, line), ended_ns=line["time_ns"])


def _told(begun: TrueRun, line: Mapping[str, Any]) -> TrueRun:
    return replace(begun, outcome=line["outcome"], final=line["final"], error_type=line["error_type"])


def _publish(line: Mapping[str, Any], runs: Mapping[str, TrueRun], commands: set[int]) -> TruePublish:
    by = runs.get(line["run"])
    return TruePublish(
        framework=line["framework"],
        job=line["job"],
        job_id=line["job_id"],
        attempt=1,
        by_run=None if by is None else (by.job_id, by.attempt, by.delivery),
        by_command=line["pid"] if by is None and line["pid"] in commands else None,
    )


def _is_put_back(true: TrueRun) -> bool:
    """Say whether a run asked for another one: retried, also when a soft time limit made it."""
    return true.outcome == "retried" or (true.job.endswith(".retried_after_the_soft_limit") and true.final is False)


def _retry_publish(true: TrueRun) -> TruePublish:
    by = (true.job_id, true.attempt, true.delivery)
    return TruePublish(true.framework, true.job, true.job_id, true.attempt + 1, by_run=by)
