"""The command ``jobspan``: imports a subcommand when it is used, and turns errors into one line and a code.

Exit codes: 0 found or fine, 1 nothing found, 2 wrong use or backend unreachable, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, NoReturn

import click

from jobspan._version import __version__
from jobspan.cli import INTERRUPTED, WRONG
from jobspan.cli.options import DEBUG, debug_option
from jobspan.cli.terminal.sanitize import sanitize_line
from jobspan.errors import JobspanError

COMMANDS = MappingProxyType(
    {
        "failed": ("jobspan.cli.commands.failed", "Jobs that failed, and why."),
        "runs": ("jobspan.cli.commands.runs", "Attempts at jobs, whatever their outcome."),
        "show": ("jobspan.cli.commands.show", "The story of a command, a job or a trace."),
        "queues": ("jobspan.cli.commands.queues", "What waits in the broker."),
        "workers": ("jobspan.cli.commands.workers", "Who takes jobs from the broker."),
        "health": ("jobspan.cli.commands.health", "Whether all is as it should be, and what to do."),
        "doctor": ("jobspan.cli.commands.doctor", "Whether telemetry is recorded and arrives, step by step."),
        "monitor": ("jobspan.cli.commands.monitor", "Report the broker as metrics over OTLP."),
        "run": ("jobspan.cli.commands.run", "Run any program as a command."),
        "serve": ("jobspan.cli.commands.serve", "Receive telemetry and keep it."),
        "demo": ("jobspan.cli.commands.demo", "A two-minute tour on private servers."),
    }
)


class Jobspan(click.Group):
    """A group whose subcommands are imported when used; ``main`` always leaves with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's call
        """Name the subcommands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's call
        """Import a subcommand: the attribute ``command`` of its module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's call
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, meaning) for name, (_, meaning) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> int:
        """Run a subcommand, return its exit code."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except JobspanError as error:
            return _failed(ctx, str(error))
        except BrokenPipeError:
            return _reader_has_gone()
        except KeyboardInterrupt:
            return INTERRUPTED
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - the edge: a traceback is no message, and its exit code 1 says "found nothing"
            return _failed(ctx, f"did not expect {type(error).__name__}: {error}; --debug shows where")
        return int(code or 0)

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]  # always leaves
        """Run ``args`` and leave with an exit code."""
        try:
            code = super().main(args, **{**extra, "standalone_mode": False})
        except click.Abort:
            code = INTERRUPTED
        except click.ClickException as error:
            _say(error.format_message() + _hint(error))
            code = WRONG
        sys.exit(code)


@click.group(
    cls=Jobspan,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="jobspan %(version)s")
@debug_option
@click.pass_context
def jobspan(context: click.Context) -> None:
    """What every background job really did, from the command that caused it to the failure.

    Ids may be cut to any beginning that is unique, four characters or more.
    Exit codes: 0 found, 1 nothing found, 2 wrong use or backend unreachable.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run() -> NoReturn:
    """Run the process's own arguments."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that is not UTF-8 gets codes for what it cannot show, instead of an error for us.
            stream.reconfigure(errors="backslashreplace")
    jobspan.main(prog_name="jobspan")


def _failed(context: click.Context, message: str) -> int:
    if context.meta.get(DEBUG):
        traceback.print_exc()
    _say(message)
    return WRONG


def _say(message: str) -> None:
    print(f"jobspan: {sanitize_line(message)}", file=sys.stderr)


def _hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f" ({context.command_path} --help lists what can be asked)" if context else ""


def _reader_has_gone() -> int:
    # `jobspan runs | head` has all it wanted. What is still buffered has nowhere to go, or exit would fail on it.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
