"""The pictures of the documentation: each command has one, and none shows anything of the machine that drew it."""

from __future__ import annotations

import html
import re
import shlex
import socket
from pathlib import Path

import click
import pytest

from jobspan.cli.app import jobspan

SCREENS = sorted((Path(__file__).parent.parent.parent / "docs" / "screens").glob("*.svg"))
_TITLE = re.compile(r'<text class="[^"]+-title"[^>]*>([^<]*)</text>')
_TEXT = re.compile(r"<text [^>]*>([^<]*)</text>")


def test_each_command_has_a_screen() -> None:
    typed = {_title(path)[1] for path in SCREENS}
    assert typed == set(jobspan.list_commands(click.Context(jobspan)))


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_its_title_is_a_command_line_that_is_accepted(path: Path) -> None:
    program, name, *args = _title(path)
    command = jobspan.get_command(click.Context(jobspan), name)
    assert program == "jobspan"
    assert command
    command.make_context(name, args)


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_it_shows_nothing_of_the_machine_that_drew_it(path: Path) -> None:
    shown = "\n".join(map(html.unescape, _TEXT.findall(path.read_text("utf-8"))))
    host = re.escape(socket.gethostname())
    assert not re.search(rf"/(home|root|tmp|Users)\b|\b{host}\b", shown)


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_it_loads_nothing_from_elsewhere(path: Path) -> None:
    assert not re.search(r"@font-face|@import|url\((?!#)|href=", path.read_text("utf-8"))


def _title(path: Path) -> list[str]:
    title = _TITLE.search(path.read_text("utf-8"))
    assert title, f"{path.name} has no title"
    return shlex.split(html.unescape(title[1]).replace("\xa0", " "))
