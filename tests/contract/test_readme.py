"""README is short, and its two commands are where CI and the tests read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_readme_is_read_in_five_minutes() -> None:
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", ["demo", "test"])
def test_a_command_follows_its_marker(name: str) -> None:
    assert len(re.findall(rf"^<!-- {name}-command -->\n```sh\n.+\n```$", README, re.MULTILINE)) == 1


def test_the_changelog_knows_the_version() -> None:
    from jobspan import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
