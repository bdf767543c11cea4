"""``jobspan run``: whoever waits for it sees what he would see without it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobspan import conventions as c
from support.otlp import Collector
from support.processes import Program
from support.workers import Surroundings, Telemetry, script

Environment = dict[str, str]

WAITING = """
import signal, sys, time
signal.signal(int(sys.argv[1]), lambda *_: sys.exit(9))
print("waits", flush=True)
time.sleep(30)
"""


@pytest.fixture
def environ(collector: Collector, tmp_path: Path) -> Environment:
    """The environment of a program that exports to the collector."""
    around = Surroundings("", tmp_path / "diary", tmp_path, Telemetry(collector.grpc_endpoint))
    return around.environment("crontab")


def ended(args: list[str], environ: Environment) -> tuple[int, bytes, bytes]:
    """Run a program and return its end and its output."""
    done = subprocess.run(args, env=environ, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("program", "end", "said"),
    [
        ("echo out; echo err >&2", 0, (0, None, "succeeded", None)),
        ("exit 3", 3, (3, "3", "failed", None)),
        ("kill -TERM $$", -signal.SIGTERM, (None, "SIGTERM", "interrupted", "SIGTERM")),
        ("kill -KILL $$", -signal.SIGKILL, (None, "command_lost", "lost", "SIGKILL")),
        ("kill -ABRT $$", -signal.SIGABRT, (None, "command_lost", "lost", "SIGABRT")),
    ],
)
def test_output_and_end_are_those_of_the_program(
    collector: Collector, environ: Environment, program: str, end: int, said: tuple[Any, ...]
) -> None:
    args = ["sh", "-c", program]
    by_itself = ended(args, environ)
    assert ended([script("jobspan"), "run", "--name", "nightly", "--", *args], environ) == by_itself
    assert by_itself[0] == end
    (span,) = collector.wait_for_spans(1)
    names = (c.PROCESS_EXIT_CODE, c.ERROR_TYPE, c.JOBSPAN_COMMAND_OUTCOME, c.JOBSPAN_COMMAND_EXIT_SIGNAL)
    assert (span.name, span.attributes[c.PROCESS_EXECUTABLE_NAME]) == ("nightly", "sh")
    assert tuple(span.attributes.get(name) for name in names) == said


def test_the_program_learns_whose_it_is(collector: Collector, environ: Environment) -> None:
    args = ["sh", "-c", "echo $TRACEPARENT"]
    code, out, _ = ended([script("jobspan"), "run", *args], {**environ, "BAGGAGE": "a=1"})
    (span,) = collector.wait_for_spans(1)
    # Since 1.41 the SDK says that the trace id is random: flag 2.
    assert code == 0
    assert out.decode() in {f"00-{span.trace_id}-{span.span_id}-{flags}\n" for flags in ("01", "03")}
    _, out, _ = ended([script("jobspan"), "run", "sh", "-c", "echo $BAGGAGE"], {**environ, "BAGGAGE": "a=1"})
    assert out == b"a=1\n"


PASSED_ON = [
    *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM),
    signal.SIGWINCH,
]


@pytest.fixture
def heeded(number: signal.Signals) -> Iterator[signal.Signals]:
    """A signal that programs are started not to ignore: whoever outlives a terminal hands that on."""
    before = signal.signal(number, signal.SIG_DFL)
    yield number
    signal.signal(number, before)


@pytest.mark.parametrize("number", PASSED_ON)
@pytest.mark.usefixtures("heeded")
def test_signals_reach_the_program(collector: Collector, environ: Environment, tmp_path: Path, number: int) -> None:
    args = [script("jobspan"), "run", "--", sys.executable, "-c", WAITING, str(int(number))]
    with Program(args, env=environ, folder=tmp_path, name="run") as program:
        program.wait_for_log("waits")
        program.signal(number)
        assert program.wait(20) == 9
    (span,) = collector.wait_for_spans(1)
    assert span.attributes[c.PROCESS_EXIT_CODE] == 9


@pytest.mark.parametrize("number", [number for number in PASSED_ON if number != signal.SIGWINCH])
@pytest.mark.usefixtures("heeded")
def test_it_dies_of_the_signal_that_the_program_dies_of(
    collector: Collector, environ: Environment, tmp_path: Path, number: signal.Signals
) -> None:
    waiting = ["sh", "-c", "ulimit -c 0; echo waits; exec sleep 30"]
    with Program([script("jobspan"), "run", "--", *waiting], env=environ, folder=tmp_path, name="run") as program:
        program.wait_for_log("waits")
        program.signal(number)
        assert (program.wait(20), program.log) == (-number, "waits\n")
    (span,) = collector.wait_for_spans(1)
    asked = number in {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    names = (c.PROCESS_EXIT_CODE, c.JOBSPAN_COMMAND_OUTCOME, c.JOBSPAN_COMMAND_EXIT_SIGNAL)
    assert tuple(span.attributes.get(name) for name in names) == (
        *(None, "interrupted" if asked else "lost"),
        number.name,
    )


def test_a_signal_that_the_program_does_not_mind_ends_neither(
    collector: Collector, environ: Environment, tmp_path: Path
) -> None:
    args = ["sh", "-c", "trap '' HUP; echo waits; read _; exit 3"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [script("jobspan"), "run", *args], env=environ, stdin=pipe, stdout=pipe, stderr=pipe
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == b"waits\n"
            program.send_signal(signal.SIGHUP)
            program.send_signal(signal.SIGWINCH)
            assert program.communicate(b"go on\n", timeout=20) == (b"", b"")
            assert program.returncode == 3
        finally:
            program.kill()
    (span,) = collector.wait_for_spans(1)
    assert span.attributes[c.PROCESS_EXIT_CODE] == 3


def test_a_script_that_does_not_say_what_runs_it_is_run_by_the_shell(environ: Environment, tmp_path: Path) -> None:
    file = tmp_path / "nightly"
    file.write_text('echo "$1"; exit 3\n')
    file.chmod(0o755)
    assert ended([script("jobspan"), "run", str(file), "--fast"], environ) == (3, b"--fast\n", b"")


@pytest.mark.parametrize(
    ("before", "program"),
    [
        ("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "exit 3"),
        ("pass", "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 3"),
    ],
    ids=["the death of children is ignored", "a user stops the program alone"],
)
def test_its_end_is_always_seen(environ: Environment, before: str, program: str) -> None:
    start = f"import os, sys; {before}; os.execv(sys.argv[1], sys.argv[1:])"
    args = [sys.executable, "-c", start, script("jobspan"), "run", "sh", "-c", program]
    with subprocess.Popen(args, env=environ, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.wait(20) == 3
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["no-such-program", ""])
def test_a_program_that_is_not_there_is_reported_as_a_shell_would(
    collector: Collector, environ: Environment, name: str
) -> None:
    said = f"jobspan: {name or repr(name)}: No such file or directory\n"
    assert ended([script("jobspan"), "run", name], environ) == (127, b"", said.encode())
    assert collector.wait_for_spans(1)[0].attributes[c.PROCESS_EXIT_CODE] == 127


def test_without_a_collector_it_says_nothing_and_leaves_two_seconds_later(
    collector: Collector, environ: Environment
) -> None:
    collector.kill()
    said, done = ended([script("jobspan"), "run", "date", "+%s.%N"], environ), time.time()
    assert (said[0], said[2]) == (0, b"")
    # Three seconds for the noise of a busy machine; an exporter that is waited for takes ten and more.
    assert done - float(said[1]) < 2 + 3


def test_the_mask_of_signals_is_not_inherited(environ: Environment) -> None:
    show = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getsignal(signal.SIGPIPE))"
    args = [sys.executable, "-c", show]
    assert ended([script("jobspan"), "run", *args], environ) == ended(args, environ)
