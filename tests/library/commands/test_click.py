"""Click commands in this process: every way out of one, and the true exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner

from jobspan import CommandInstrumentor
from jobspan.instrumentors.commands.exclusions import is_excluded_program
from library.conftest import Instrumentation


class Special(click.Command):
    """A command class of the application's own."""


@click.group()
def mytool() -> None:
    """A group."""


class ProgramFailed(Exception):
    """The error of a library that calls programs: the exit code is that program's, not ours."""

    exit_code = returncode = 42


@mytool.group()
def users() -> None:
    """A group in a group."""


@users.command("import", cls=Special)
@click.option("--how", default="return")
def import_users(how: str) -> None:
    """End in the way that is asked for."""
    WAYS[how]()


def _raise(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


WAYS: dict[str, Callable[[], Any]] = {
    "return": lambda: None,
    "sys.exit()": sys.exit,
    "sys.exit(3)": lambda: sys.exit(3),
    "sys.exit('no')": lambda: sys.exit("no"),
    "ctx.exit(0)": lambda: click.get_current_context().exit(0),
    "ctx.exit(4)": lambda: click.get_current_context().exit(4),
    "Abort": _raise(click.Abort()),
    "UsageError": _raise(click.UsageError("wrong")),
    "ClickException": _raise(click.ClickException("broken")),
    "ValueError": _raise(ValueError("bad value")),
    "another's code": _raise(ProgramFailed()),
    "KeyboardInterrupt": _raise(KeyboardInterrupt()),
}


@pytest.mark.parametrize(
    ("how", "code", "status", "error_type"),
    [
        ("return", 0, "unset", None),
        ("sys.exit()", 0, "unset", None),
        ("sys.exit(3)", 3, "error", "3"),
        ("sys.exit('no')", 1, "error", "1"),
        ("ctx.exit(0)", 0, "unset", None),
        ("ctx.exit(4)", 4, "error", "4"),
        ("Abort", 1, "error", "1"),
        ("UsageError", 2, "error", "2"),
        ("ClickException", 1, "error", "1"),
        ("ValueError", 1, "error", "ValueError"),
        ("another's code", 1, "error", f"{__name__}.ProgramFailed"),
        ("KeyboardInterrupt", 1, "error", "1"),
    ],
)
def test_every_way_out_of_a_command(
    instrumentation: Instrumentation, how: str, code: int, status: str, error_type: str | None
) -> None:
    instrumentation.on(CommandInstrumentor())
    result = CliRunner().invoke(mytool, ["users", "import", "--how", how], prog_name="mytool")
    (span,) = instrumentation.spans
    assert result.exit_code == code
    assert (span.name, span.kind, span.status) == ("mytool users import", "internal", status)
    assert span.attributes["jobspan.command.name"] == "mytool users import"
    assert span.attributes["process.exit.code"] == code
    assert span.attributes.get("error.type") == error_type


@pytest.mark.parametrize("name", ["celery", "jobspan", "/usr/local/bin/celery", "python -m celery", "flask"])
def test_a_long_running_program_is_no_command(instrumentation: Instrumentation, name: str) -> None:
    instrumentation.on(CommandInstrumentor())

    @click.group()
    def program() -> None:
        """A program."""

    @program.command("run")
    def long() -> None:
        """Run for long."""

    assert CliRunner().invoke(program, ["run"], prog_name=name).exit_code == 0
    assert instrumentation.spans == ()


@pytest.mark.parametrize("name", ["flower_shop.py", "flowers", "dramatiq_import.py", "pytest_report", "ipython_docs"])
def test_a_name_that_only_begins_like_a_long_running_program_is_a_command(name: str) -> None:
    assert not is_excluded_program(name)


@pytest.mark.parametrize(
    "name", ["flower", "dramatiq", "dramatiq-gevent", "pytest", "python -m pytest", "ipykernel", "python -m IPython"]
)
def test_the_name_of_a_long_running_program_is_none(name: str) -> None:
    assert is_excluded_program(name)


def test_a_command_that_the_user_excludes_gets_no_span(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor(), excluded_commands=("mytool users *",))
    assert CliRunner().invoke(mytool, ["users", "import"], prog_name="mytool").exit_code == 0
    assert instrumentation.spans == ()


def test_an_excluded_command_leaves_the_one_that_calls_it_a_command(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor(), excluded_commands=("health",))

    @click.command()
    def deploy() -> None:
        click.Command("health", callback=lambda: None).main([], prog_name="health", standalone_mode=False)

    assert CliRunner().invoke(deploy, [], prog_name="deploy").exit_code == 0
    assert [span.name for span in instrumentation.spans] == ["deploy"]


def test_a_code_that_main_answers_with_is_the_exit_code_too(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())
    assert mytool.main(["users", "import", "--how", "ctx.exit(4)"], prog_name="mytool", standalone_mode=False) == 4
    assert mytool.main(["users", "import"], prog_name="mytool", standalone_mode=False) is None
    assert [span.attributes["process.exit.code"] for span in instrumentation.spans] == [4, 0]


def test_a_command_called_by_a_command_is_its_child(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())

    @click.command()
    def outer() -> None:
        """Call another command."""
        CliRunner().invoke(mytool, ["users", "import"], prog_name="mytool")

    assert CliRunner().invoke(outer, [], prog_name="outer").exit_code == 0
    first, second = instrumentation.spans
    assert (first.name, second.name, second.parent_id) == ("outer", "mytool users import", first.span_id)


def test_uninstrument_restores_every_attribute(instrumentation: Instrumentation) -> None:
    before = {name: vars(click.Command).get(name) for name in ("main", "invoke")}
    for _ in range(3):
        CommandInstrumentor().instrument(tracer_provider=instrumentation.provider)
        CommandInstrumentor().uninstrument()
    assert {name: vars(click.Command).get(name) for name in ("main", "invoke")} == before
    assert CliRunner().invoke(mytool, ["users", "import"], prog_name="mytool").exit_code == 0
    assert instrumentation.spans == ()
