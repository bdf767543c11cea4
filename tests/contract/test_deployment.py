"""The service files of the documentation start what they say, with options that the programs have."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import click
import pytest
from celery.bin.celery import celery
from dramatiq.cli import make_argument_parser

from jobspan.cli.app import jobspan

PAGE = (Path(__file__).parents[2] / "docs" / "operating" / "deployment.md").read_text("utf-8")
FILES = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)


def _section(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's names have capitals
    parser.read_string(text)
    name = next(name for name in parser.sections() if name in {"Service", "program:shop-celery"})
    return dict(parser[name])


def _command(text: str) -> list[str]:
    section = _section(text)
    words = shlex.split(section.get("ExecStart") or section["command"])
    names = [Path(word).name for word in words]
    return names[:1] + words[1:] if names[0] != "opentelemetry-instrument" else [names[1], *words[2:]]


def _accept(program: str, arguments: list[str]) -> None:
    """Raise or exit where the program would not understand its arguments."""
    if program == "dramatiq":
        make_argument_parser().parse_args(arguments)  # type: ignore[no-untyped-call]  # Dramatiq has no types there
        return
    group: click.Command = {"celery": celery, "jobspan": jobspan}[program]
    context = click.Context(group)
    if program == "celery":
        assert arguments[:2] == ["--app", "shop"]
        arguments = arguments[2:]
    assert isinstance(group, click.Group)
    _, command, rest = group.resolve_command(context, arguments)
    assert command is not None
    command.make_parser(context).parse_args(list(rest))


@pytest.mark.parametrize("text", FILES, ids=lambda text: text.splitlines()[0])
def test_a_service_file_starts_a_program_that_takes_its_options(text: str) -> None:
    program, *arguments = _command(text)
    _accept(program, arguments)


def test_an_option_that_a_program_does_not_have_is_found() -> None:
    with pytest.raises(click.UsageError):
        _accept("jobspan", ["serve", "--keeep", "1d"])
    with pytest.raises(click.UsageError):
        _accept("celery", ["--app", "shop", "worker", "--max-jobs", "1"])
    with pytest.raises(SystemExit):
        _accept("dramatiq", ["shop.actors", "--max-jobs", "1"])


def test_each_worker_keeps_its_state_folder_over_a_reboot() -> None:
    assert all("OTEL_PYTHON_JOBSPAN_STATE_DIR=/var/lib" in text.replace('"', "") for text in FILES if "shop-" in text)
