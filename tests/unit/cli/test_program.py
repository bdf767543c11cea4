"""The program in a process of its own: exit codes, one-line errors, pipes, absent packages, what it imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobspan import __version__
from unit.cli.typing_at import Seen, typed

_TESTS = Path(__file__).parents[2]
_MAIN = "from jobspan.cli import main; main()"


def _python(*arguments: str, **environment: str) -> Seen:
    environ = {**os.environ, "PYTHONPATH": str(_TESTS), "PYTHONUTF8": "1", **environment}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environ, timeout=60, check=False
    )
    return Seen(done.returncode, done.stdout, done.stderr)


def test_the_version_is_told() -> None:
    assert _python("-c", _MAIN, "--version") == Seen(0, f"jobspan {__version__}\n", "")


def test_without_a_subcommand_the_help_is_shown() -> None:
    seen = typed()
    assert seen.code == 0
    commands = [line.split()[0] for line in seen.out.splitlines()[-11:]]
    assert commands == [
        *("failed", "runs", "show", "queues", "workers", "health", "doctor", "monitor", "run", "serve", "demo"),
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("faild",), "No such command 'faild'. (jobspan --help lists what can be asked)"),
        (("failed", "--sinc", "1h"), "No such option"),
        (("failed", "--since", "soon"), "'soon' is no time that I can read; expected 30m, 1h, 2d, today"),
        (("failed", "--since", "1h", "--until", "2h"), "--until 2h is not after --since 1h: nothing lies between"),
        (("runs", "--outcome", "broken"), "--outcome broken is none that a run can have; expected one of succeeded,"),
        (("runs", "--framework", "rq"), "Invalid value for '--framework': 'rq' is not one of 'celery', 'dramatiq'."),
        (("runs", "--limit", "-1"), "Invalid value for '--limit': -1 is not in the range x>=0."),
        (("show",), "Missing argument 'ID'. (jobspan show --help lists what can be asked)"),
        (("runs", "--store", "a", "--backend", "http://b"), "saw --store and --backend together; give the one"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_code_2(words: tuple[str, ...], error: str) -> None:
    seen = typed(*words)
    assert (seen.code, seen.out, seen.err.count("\n")) == (2, "", 1)
    assert seen.err.startswith(f"jobspan: {error}")


def test_a_backend_that_is_not_there_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    seen = _python("-c", _MAIN, "failed", "--store", str(tmp_path / "none.duckdb"))
    assert (seen.code, seen.out, seen.err.count("\n")) == (2, "", 1)
    assert str(tmp_path / "none.duckdb") in seen.err


def test_debug_adds_the_traceback(tmp_path: Path) -> None:
    for words in (("failed", "--debug"), ("--debug", "failed")):
        seen = _python("-c", _MAIN, *words, "--store", str(tmp_path / "none.duckdb"))
        assert seen.code == 2
        assert seen.err.startswith("Traceback (most recent call last):")
        assert seen.err.splitlines()[-1].startswith("jobspan: ")


@pytest.mark.parametrize("package", ["click", "rich"])
def test_an_absent_package_is_one_line_naming_the_extra(package: str) -> None:
    seen = _python("-c", f"import sys; sys.modules[{package!r}] = None; {_MAIN}", "failed")
    error = f"jobspan: the jobspan command needs {package}, which is not installed: pip install 'jobspan[cli]'\n"
    assert seen == Seen(2, "", error)


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys, jobspan.cli; print([m for m in ('click', 'rich', 'duckdb', 'httpx') if m in sys.modules])"
    assert _python("-c", code).out == "[]\n"
    failed = """
import sys
from unit.cli.typing_at import typed
sys.modules.pop("rich.console", None)
assert typed("failed").code == 0
heavy = ("duckdb", "httpx", "rich.console", "jobspan.server", "jobspan.cli.commands.show")
print([m for m in heavy if m in sys.modules])
"""
    assert _python("-c", failed).out == "[]\n"


def test_a_pipe_that_closes_early_is_no_error() -> None:
    shell = f"{sys.executable} -m unit.cli.typing_at runs --limit 0 --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_TESTS), "PYTHONUNBUFFERED": ""},
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("{\n0\n", "")


def test_a_reader_that_is_gone_before_the_first_line_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "unit.cli.typing_at", "failed"],
            stdout=out,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(_TESTS), "PYTHONUNBUFFERED": ""},
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_is_quiet_and_exit_code_130() -> None:
    code = """
from unit.cli.typing_at import environment
from jobspan.cli.app import jobspan
from dataclasses import replace
def interrupted(store, url):
    raise KeyboardInterrupt
jobspan.main(["failed"], obj=replace(environment(), open_backend=interrupted))
"""
    assert _python("-c", code) == Seen(130, "", "")


def test_a_stdout_that_is_not_utf8_gets_codes_instead_of_an_error() -> None:
    seen = _python("-c", _MAIN, "--help", PYTHONIOENCODING="ascii")
    assert seen.code == 0
