"""Names of commands: the path that was typed, whichever library reads it."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import click
import pytest
import typer
import typer.testing
from click.testing import CliRunner
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand

from jobspan import CommandInstrumentor
from jobspan import conventions as c
from library.conftest import Instrumentation


def names_and_codes(instrumentation: Instrumentation) -> list[tuple[str, Any]]:
    """Each span's name and exit code."""
    return [(span.name, span.attributes.get(c.PROCESS_EXIT_CODE)) for span in instrumentation.spans]


class Aliases(click.Group):
    """A group that knows its commands by their beginnings."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find the command that begins so."""
        return next((command for name, command in self.commands.items() if name.startswith(cmd_name)), None)


@click.group(cls=Aliases)
def shop() -> None:
    """A group with aliases."""


@shop.command("import")
def imports() -> None:
    """A command."""


shop.add_command(imports, name="reimport")


@click.group(chain=True)
def chained() -> None:
    """A group that runs several of its commands."""


@chained.command()
def first() -> None:
    """One of them."""


@chained.command()
def second() -> None:
    """Another."""
    click.get_current_context().exit(3)


@click.group(invoke_without_command=True)
def bare() -> None:
    """A group that is a command as well."""


@pytest.mark.parametrize(
    ("command", "arguments", "name", "code"),
    [
        (shop, ["import"], "shop import", 0),
        (shop, ["im"], "shop import", 0),
        (shop, ["reimport"], "shop reimport", 0),
        (chained, ["first", "second"], "chained first second", 3),
        (bare, [], "bare", 0),
    ],
)
def test_the_path_of_a_click_command(
    instrumentation: Instrumentation, command: click.Command, arguments: list[str], name: str, code: int
) -> None:
    instrumentation.on(CommandInstrumentor())
    assert CliRunner().invoke(command, arguments, prog_name=f"/usr/bin/{command.name}").exit_code == code
    assert names_and_codes(instrumentation) == [(name, code)]
    assert instrumentation.spans[0].attributes[c.JOBSPAN_COMMAND_NAME] == name


def test_what_the_callback_of_a_group_does_is_part_of_the_command(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())

    @click.group()
    def tool() -> None:
        instrumentation.provider.get_tracer("user").start_span("in the group").end()

    @tool.group()
    def users() -> None:
        """A group."""

    @users.command()
    def add() -> None:
        """A command."""

    CliRunner().invoke(tool, ["users", "add"], prog_name="tool")
    command, inside = instrumentation.spans
    assert (command.name, inside.name, inside.parent_id) == ("tool users add", "in the group", command.span_id)


def test_a_typer_command_is_one_too(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())
    app, users = typer.Typer(), typer.Typer()
    app.add_typer(users, name="users")

    @users.command("import")
    def imports(code: int) -> None:
        raise typer.Exit(code)

    @app.command()
    def fail() -> None:
        raise ValueError("bad")

    run = typer.testing.CliRunner()
    codes = [
        run.invoke(app, arguments, prog_name="tool").exit_code
        for arguments in (["users", "import", "0"], ["users", "import", "4"], ["fail"], ["unknown"])
    ]
    assert codes == [0, 4, 1, 2]
    assert names_and_codes(instrumentation) == [("tool users import", 0), ("tool users import", 4), ("tool fail", 1)]


class Command(BaseCommand):  # type: ignore[misc]  # Django has no types
    """A management command."""

    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own
    inner: BaseCommand | None = None
    error: BaseException | None = None

    handler: Any = None

    def handle(self, *args: Any, **options: Any) -> None:
        """Call another one, or fail."""
        self.handler = signal.getsignal(signal.SIGTERM)
        if self.inner is not None:
            call_command(self.inner)
        if self.error is not None:
            raise self.error


def test_a_management_command_and_the_one_that_it_calls(instrumentation: Instrumentation) -> None:
    instrumentation.on(CommandInstrumentor())
    outer = Command()
    outer.inner = Command()
    outer.run_from_argv(["/srv/manage.py", "import_users"])
    first, second = instrumentation.spans
    assert (first.name, second.name) == ("manage.py import_users", "manage.py test_command_paths")
    assert (first.parent_id, second.parent_id) == (None, first.span_id)
    assert {span.attributes[c.JOBSPAN_COMMAND_ID] for span in (first, second)} == {first.span_id}
    assert {span.attributes[c.JOBSPAN_COMMAND_NAME] for span in (first, second)} == {"manage.py import_users"}


@pytest.mark.parametrize(
    ("error", "code", "error_type"),
    [
        (CommandError("no", returncode=7), 7, "7"),
        (ValueError("bad"), 1, "ValueError"),
        (subprocess.CalledProcessError(5, "rsync"), 1, "subprocess.CalledProcessError"),
        (KeyboardInterrupt(), None, "KeyboardInterrupt"),
    ],
)
def test_a_management_command_that_fails(
    instrumentation: Instrumentation, capsys: Any, error: BaseException, code: int | None, error_type: str
) -> None:
    instrumentation.on(CommandInstrumentor())
    command = Command()
    command.error = error
    with pytest.raises((SystemExit, type(error))):
        command.run_from_argv(["/srv/manage.py", "import_users"])
    (span,) = instrumentation.spans
    assert (span.attributes.get(c.PROCESS_EXIT_CODE), span.attributes["error.type"]) == (code, error_type)


@pytest.mark.parametrize("name", ["runserver", "shell", "runserver_plus", "rundramatiq", "test"])
def test_a_management_command_that_runs_for_long_is_none(instrumentation: Instrumentation, name: str) -> None:
    instrumentation.on(CommandInstrumentor())
    Command().run_from_argv(["manage.py", name])
    assert instrumentation.spans == ()


def test_sigterm_is_handled_while_a_command_line_runs_and_not_for_a_command_that_code_calls(
    instrumentation: Instrumentation,
) -> None:
    instrumentation.on(CommandInstrumentor())
    called, typed = Command(), Command()
    call_command(called)
    typed.run_from_argv(["manage.py", "import_users"])
    assert called.handler is signal.SIG_DFL
    assert callable(typed.handler)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_first_process_of_a_container_lives_on_at_a_sigterm_as_it_would(
    instrumentation: Instrumentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    instrumentation.on(CommandInstrumentor())
    typed = Command()
    monkeypatch.setattr("os.getpid", lambda: 1)
    typed.run_from_argv(["manage.py", "import_users"])
    assert typed.handler is signal.SIG_DFL


def test_nothing_stays_behind_in_typer_and_django() -> None:
    owners = [BaseCommand, typer.core.TyperCommand, typer.core.TyperGroup]
    before = [dict(vars(owner)) for owner in owners]
    CommandInstrumentor().instrument()
    assert vars(BaseCommand)["execute"] is not before[0]["execute"]
    CommandInstrumentor().uninstrument()
    assert [dict(vars(owner)) for owner in owners] == before
