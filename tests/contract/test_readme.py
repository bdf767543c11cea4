"""The README says what the code does: its tables are the code's."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from jobspan import conventions as c

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_tables_are_those_of_the_code() -> None:
    tables = runpy.run_path(str(ROOT / "docs" / "tables.py"))
    assert sorted(re.findall(r"<!-- table (\w+) -->", README)) == sorted(tables["TABLES"])
    assert tables["with_tables"](README) == README, "python docs/tables.py writes them"


@pytest.mark.parametrize(
    "name",
    [
        c.EVENT_PROCESS_EXCEPTION,
        c.EVENT_SEND_EXCEPTION,
        c.EVENT_JOB_STARTED,
        c.EVENT_COMMAND_STARTED,
        c.JOBSPAN_LINK_TYPE,
        c.LINK_PUBLISH,
        c.LINK_PREVIOUS_ATTEMPT,
        c.FIELD,
        c.DRAMATIQ_OPTION,
    ],
)
def test_the_readme_names_what_no_table_holds(name: str) -> None:
    assert f"`{name}`" in README


def test_every_name_is_spelled_in_conventions_alone() -> None:
    names = {row.name for row in c.ATTRIBUTES} | {row.name for row in c.METRICS}
    sources = [path for path in (ROOT / "src").rglob("*.py") if path.name != "conventions.py"]
    spelled = {(path.name, name) for path in sources for name in names if f'"{name}"' in path.read_text("utf-8")}
    assert spelled == set()


def test_the_changelog_knows_the_version() -> None:
    from jobspan import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
