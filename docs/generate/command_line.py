"""The help of every command, and the exit codes that it promises, from the click commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from jobspan.cli.app import COMMANDS, jobspan

_PROMISE = re.compile(r"Exit codes: (.*?)\.", re.DOTALL)
_VARIABLE = re.compile(r"\[env: (\w+)(?:; ([^\]]*))?\]")
OF_THE_PROGRAM = "that of the program"
UNTIL_STOPPED = "0 when it is stopped, 2 wrong use or what it needs is unreachable"
# What a command leaves with where its help does not say so.
_OTHERS = {
    "run": OF_THE_PROGRAM,
    "serve": UNTIL_STOPPED,
    "monitor": UNTIL_STOPPED,
    "demo": "0 done, 2 a program of it did not start",
}


def commands() -> dict[str, click.Command]:
    """Return every subcommand by its name, in the order of the help."""
    context = click.Context(jobspan, info_name="jobspan")
    found = {name: jobspan.get_command(context, name) for name in COMMANDS}
    return {name: command for name, command in found.items() if command is not None}


def command_line() -> str:
    """Return what each command takes."""
    return "\n" + "\n".join(_described(name, command) for name, command in commands().items()) + "\n"


def exit_codes() -> str:
    """Return the table of exit codes."""
    promised = {name: _promise(command) or _OTHERS.get(name) for name, command in commands().items()}
    rows = "".join(f"| `jobspan {name}` | {said or _promise(jobspan)} |\n" for name, said in promised.items())
    return f"| command | exit code |\n| --- | --- |\n{rows}"


def _described(name: str, command: click.Command) -> str:
    usage = " ".join(["jobspan", name, "[OPTIONS]", *_arguments(command)])
    rows = "".join(f"| {_names(option)} | {_meaning(option)} |\n" for option in _options(command))
    return (
        f"## jobspan {name}\n\n```text\n{usage}\n```\n\n{_text(command)}\n\n| option | meaning |\n| --- | --- |\n{rows}"
    )


def _arguments(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            yield parameter.metavar or f"{(parameter.name or '').upper()}{'...' if parameter.nargs == -1 else ''}"


def _options(command: click.Command) -> Iterator[click.Option]:
    return (parameter for parameter in command.params if isinstance(parameter, click.Option))


def _names(option: click.Option) -> str:
    return ", ".join(f"`{name}{_value(option)}`" for name in option.opts)


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if option.metavar:
        return f" {option.metavar.replace('|', chr(92) + '|')}"
    if isinstance(option.type, click.Choice):
        return " " + f"{chr(92)}|".join(option.type.choices)
    return f" {option.type.name.split()[0].upper()}"


def _meaning(option: click.Option) -> str:
    said = _VARIABLE.sub(_variable, " ".join((option.help or "").split()))
    has_default = option.show_default and option.default not in (None, False)
    return f"{said} Default: `{option.default}`." if has_default else said


def _variable(found: re.Match[str]) -> str:
    default = f" Default: `{found[2]}`." if found[2] else ""
    return f"Variable: `{found[1]}`.{default}"


def _text(command: click.Command) -> str:
    """Return a command's help as Markdown, without the exit codes: they have a table of their own."""
    paragraphs = (command.help or "").replace("\b\n", "").split("\n\n")
    return "\n\n".join(" ".join(_PROMISE.sub("", paragraph).split()) for paragraph in paragraphs).strip()


def _promise(command: click.Command) -> str:
    found = _PROMISE.search(command.help or "")
    return " ".join(found[1].split()) if found else ""
